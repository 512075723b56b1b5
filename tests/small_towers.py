"""transformers configurations of tiny towers by name: for tests that need no weights of others."""

TOWERS = {
    "resnet": {
        "model_type": "resnet",
        "num_channels": 1,
        "embedding_size": 8,
        "hidden_sizes": [8, 16, 24, 32],
        "depths": [1, 1, 1, 1],
        "layer_type": "basic",
    },
    "vit": {
        "model_type": "vit",
        "num_channels": 1,
        "image_size": 64,
        "patch_size": 16,
        "hidden_size": 12,
        "num_hidden_layers": 2,
        "num_attention_heads": 3,
        "intermediate_size": 16,
    },
    "bert": {
        "model_type": "bert",
        "vocab_size": 40,
        "hidden_size": 8,
        "num_hidden_layers": 5,  # more than the last four
        "num_attention_heads": 2,
        "intermediate_size": 14,
        "max_position_embeddings": 24,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
    },
}
