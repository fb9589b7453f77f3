"""What a random history is about: how often each request comes, and the topic's configuration."""

_LOOKS = {"read": 6, "consume": 2, "list_offsets": 3, "look": 8, "epoch_end": 1}

THEMES = {
    "idempotence": {"append_next": 20, "append_again": 12, "append_plain": 2, "hw": 3, "roll": 1,
                    "flush": 1, "reopen": 2, "clock": 2, "marker": 1, **_LOOKS},
    "transactions": {"append_txn": 20, "append_next": 6, "append_again": 3, "marker": 12, "hw": 8,
                     "roll": 1, "reopen": 1, "clock": 1, "append_plain": 3, **_LOOKS},
    "follower": {"append_follower": 30, "hw": 3, "truncate": 3, "reopen": 2, "roll": 1,
                 "assign_epoch": 1, "flush": 1, "delete_records": 1, **_LOOKS, "epoch_end": 5},
    "epochs": {"append_plain": 10, "append_next": 5, "assign_epoch": 6, "truncate": 4, "reopen": 2,
               "hw": 3, "delete_records": 2, "roll": 1, "append_follower": 4, **_LOOKS,
               "epoch_end": 10},
    "retention": {"append_plain": 12, "append_next": 12, "clock": 6, "retention": 6, "hw": 8,
                  "delete_records": 4, "roll": 2, "reopen": 2, "append_txn": 4, "marker": 3,
                  **_LOOKS},
    "compaction": {"append_plain": 16, "append_next": 8, "append_txn": 6, "marker": 5, "hw": 8,
                   "compact": 6, "roll": 3, "clock": 6, "reopen": 2, "retention": 1, "truncate": 1,
                   **_LOOKS},
    "recovery": {"append_next": 14, "append_txn": 8, "marker": 6, "append_again": 4, "reopen": 8,
                 "hw": 5, "flush": 3, "roll": 3, "truncate": 3, "clock": 2, "delete_records": 2,
                 **_LOOKS},
    "replica": {"append_many": 16, "append_follower": 8, "hw": 3, "truncate": 3, "reopen": 3,
                "roll": 1, "flush": 1, "assign_epoch": 1, **_LOOKS, "epoch_end": 4},
    "raw": {"append_raw": 20, "append_next": 8, "append_plain": 4, "marker": 3, "hw": 3,
            "reopen": 2, "roll": 1, **_LOOKS},
    "expiry": {"append_next": 14, "append_txn": 5, "marker": 3, "clock": 8, "expire": 6,
               "reopen": 3, "hw": 4, "roll": 1, "append_again": 3, **_LOOKS},
}


def random_config(rng, theme):
    config = {"segment.bytes": rng.choice([250, 400, 700, 1500, 1 << 20]),
              "index.interval.bytes": rng.choice([1, 100, 4096])}
    if rng.random() < 0.1:
        config["message.timestamp.type"] = "LogAppendTime"
    if rng.random() < 0.1:
        config["segment.ms"] = rng.choice([100, 10_000])
    if rng.random() < 0.05:
        config["segment.index.bytes"] = rng.choice([24, 48, 100])
    if rng.random() < 0.05:
        config["max.message.bytes"] = rng.choice([100, 200])
    if rng.random() < 0.05:
        config["flush.messages"] = rng.choice([1, 5])
    if rng.random() < 0.05:
        config["message.timestamp.before.max.ms"] = rng.choice([1000, 100_000])
        config["message.timestamp.after.max.ms"] = rng.choice([1000, 100_000])
    if rng.random() < 0.03:
        config["compression.type"] = "uncompressed"
    if theme == "compaction":
        config["cleanup.policy"] = rng.choice(["compact", "compact", "compact,delete"])
        config["min.cleanable.dirty.ratio"] = rng.choice(["0", "0", "0.01", "0.5"])
        config["delete.retention.ms"] = rng.choice([0, 100, 1000, 10**6])
        if rng.random() < 0.1:
            config["min.compaction.lag.ms"] = rng.choice([100, 10_000])
        if rng.random() < 0.1:
            config["max.compaction.lag.ms"] = rng.choice([20_000, 100_000])
    if theme in ("retention", "compaction") and rng.random() < 0.8:
        config["retention.ms"] = rng.choice([-1, 100, 1000, 50_000])
        config["retention.bytes"] = rng.choice([-1, 0, 300, 1000])
    if theme == "expiry":
        config["producer.id.expiration.ms"] = rng.choice([100, 1000, 50_000])
    return config


def weights(theme, config):
    chosen = dict(THEMES[theme])
    if "segment.index.bytes" in config:
        # A full index rolls, and the index of a reopened segment may differ (differences.py).
        for name in ("reopen", "truncate", "compact"):
            chosen.pop(name, None)
    return chosen
