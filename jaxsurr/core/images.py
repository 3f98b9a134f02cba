"""The layout of images: `[N, H, W, C]`, with the channels last."""

from collections.abc import Sequence

__all__ = ["channels_first", "refuse_channels_first"]

_CHANNELS = (1, 3, 4)  # grey, colour, colour and opacity


def channels_first(shape: Sequence[int]) -> bool:
    """Whether an array of this shape looks like images `[N, C, H, W]`, the layout of PyTorch.

    >>> channels_first((60, 3, 32, 32)), channels_first((60, 32, 32, 3)), channels_first((60, 1, 28, 28))
    (True, False, True)
    """
    if len(shape) != 4 or shape[1] not in _CHANNELS or shape[3] in _CHANNELS:
        return False
    return min(shape[2:]) >= 8 and (shape[1] > 1 or shape[2] == shape[3])


def refuse_channels_first(shape: Sequence[int], reader: str) -> None:
    """Refuses images whose channels come first.

    Args:
      shape: of the inputs.
      reader: the name of the caller, which begins the error message.

    Raises:
      ValueError: the shape is `[N, C, H, W]`.
    """
    if channels_first(shape):
        raise ValueError(
            f"{reader} reads images [N, H, W, C], and inputs of shape {list(shape)} seem to have the channels first, "
            "[N, C, H, W]: move that axis to the end, x.transpose(0, 2, 3, 1), before they are saved."
        )
