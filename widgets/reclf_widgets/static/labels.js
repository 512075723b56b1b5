// Names on a tile: of the tile, and of masks, where they cover least of outlines and no other name.

const LABEL = { wide: 110, high: 18 }; // of the name of a mask

function label(context, text, x, y, room) {
  context.font = "12px system-ui, sans-serif";
  const width = Math.min(room, context.measureText(text).width + 8);
  context.fillStyle = "rgba(0,0,0,.7)"; context.fillRect(x, y, width, 17);
  context.fillStyle = "#fff"; context.fillText(text, x + 4, y + 12.5, width - 8);
}

// A place for the name of a mask near its outline, where it covers least of outlines and no name.
function freePlace(name, taken, points, width, height, lowest) {
  const { wide, high } = LABEL, ends = { x: width - wide - 2, y: height - high - 2 };
  const covered = ({ x, y }) => taken.filter((other) => Math.abs(other.x - x) < wide && Math.abs(other.y - y) < high + 1).length * 1000 +
    points.filter(([px, py]) => px > x && px < x + wide && py > y && py < y + high).length;
  const places = [[0, 0], [-wide, 0], [60, 0], [-wide, 30], [0, -22], [60, -22], [-wide, 60], [110, 40], [0, name.tall + high + 6], [-wide, name.tall]];
  const inside = places.map(([dx, dy]) => ({ x: clamp(name.x + dx, 2, ends.x), y: clamp(name.y + dy, lowest, ends.y) }));
  return inside.reduce((best, each) => (covered(each) < covered(best) ? each : best));
}

// Points along a closed line x0, y0, x1, y1, ..., close enough that a label cannot hide between them.
function along(line) {
  const points = [];
  for (let k = 0; k < line.length; k += 2) {
    const [x, y] = [line[k], line[k + 1]], [nx, ny] = [line[(k + 2) % line.length], line[(k + 3) % line.length]];
    const steps = Math.max(1, Math.ceil(Math.hypot(nx - x, ny - y) / 0.02));
    for (let step = 0; step < steps; step++) points.push([x + ((nx - x) * step) / steps, y + ((ny - y) * step) / steps]);
  }
  return points;
}
