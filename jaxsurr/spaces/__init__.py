"""Prediction spaces: what may be perturbed in a prediction, and what a surrogate reads of it."""

from jaxsurr.spaces.classes import class_logits, named_class_logits
from jaxsurr.spaces.generic import generic
from jaxsurr.spaces.keypoints import points_in_plane
from jaxsurr.spaces.levels import cumulative_logits, level_logits, scores
from jaxsurr.spaces.lists import ranked_lists
from jaxsurr.spaces.scores import binary_scores
from jaxsurr.spaces.structured import pixel_logits, sequence_logits

SPACES = {
    space.name: space
    for space in (
        binary_scores,
        class_logits,
        cumulative_logits,
        generic,
        level_logits,
        named_class_logits,
        pixel_logits,
        points_in_plane,
        ranked_lists,
        scores,
        sequence_logits,
    )
}

__all__ = ["SPACES", *SPACES]
