from collections.abc import Callable, Iterable


def find_fastest(forms: Iterable[str], trials: int, seconds_of: Callable[[str], list[float]]) -> str:
    """Of several ways to write the same, the one with the fastest call, all taking turns; a lone one is not run."""
    seconds = dict.fromkeys(forms, float("inf"))
    if len(seconds) > 1:
        for _ in range(trials):
            for form in seconds:
                seconds[form] = min(seconds[form], *seconds_of(form))
    return min(seconds, key=seconds.__getitem__)
