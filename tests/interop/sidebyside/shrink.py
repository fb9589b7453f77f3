"""Makes a failing history small: fewer requests first, then plainer ones."""


def shrink(history, fails, budget=400):
    """`fails(history)` is whether the same kind of difference remains."""
    tries = [budget]

    def still(candidate):
        if tries[0] <= 0:
            return False
        tries[0] -= 1
        return fails(candidate)

    history = remove_requests(history, still)
    history = simplify_requests(history, still)
    return remove_requests(history, still)


def remove_requests(history, still):
    size = max(1, len(history) // 2)
    while size >= 1:
        start = 1  # the first request opens the partition
        while start < len(history):
            candidate = history[:start] + history[start + size:]
            if len(candidate) < len(history) and still(candidate):
                history = candidate
            else:
                start += size
        size //= 2
    return history


def simplify_requests(history, still):
    for index in range(len(history)):
        is_plainer = True
        while is_plainer:
            is_plainer = False
            for plainer in plainer_forms(history[index]):
                candidate = history[:index] + [plainer] + history[index + 1:]
                if still(candidate):
                    history, is_plainer = candidate, True
                    break
    return history


def plainer_forms(request):
    """One field less, or plainer, each."""
    for key in ("codec", "leader_hw", "leader_log_start", "coordinator_epoch", "max_bytes",
                "min_one", "isolation", "txn"):
        if key in request:
            yield {k: v for k, v in request.items() if k != key}
    if "config" in request:
        for key in request["config"]:
            yield {**request, "config": {k: v for k, v in request["config"].items() if k != key}}
    if request.get("n", 1) > 1:
        yield {**request, "n": 1}
    if len(request.get("records", [])) > 1:
        yield {**request, "records": request["records"][:1]}
