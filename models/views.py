"""Several views of one photo, whose embeddings are averaged: a little more accuracy for six times the work."""

from dataclasses import replace

import numpy as np
import openvino
from openvino import opset15 as ops

from models.manifest import Transform

MARGIN = 1.2
"""So much longer than a crop's are the sides of the photo that it is cut from."""
VIEWS = 6


def widened(transform: Transform) -> Transform:
    """The transform of the photos that six views are made of."""
    return replace(transform, height=round(MARGIN * transform.height), width=round(MARGIN * transform.width))


def ends(length: int) -> tuple[slice, slice]:
    """The first and the last places of a longer side."""
    return slice(None, length), slice(-length, None)


def six_views(network: openvino.Model, transform: Transform) -> openvino.Model:
    """A network over six views of each photo: uint8 [N, H, W, 3], at the size of `widened` -> float32 [N, D].

    Args:
        network: uint8 [N, H, W, 3] at any size or the transform's -> `embedding`, float32 [N, D]. It stays as it is.
        transform: of one view.
    """
    large = widened(transform)
    photos = ops.parameter([-1, large.height, large.width, 3], np.uint8, "photos")
    pixels = ops.convert(photos, "f32")
    sides = np.array([transform.height, transform.width], np.int64)
    axes = np.array([1, 2], np.int64)
    whole = ops.interpolate(pixels, sides, "bicubic_pillow", "sizes", cube_coeff=-0.5, axes=axes)
    mirrored = ops.slice(whole, np.array([-1]), np.array([-transform.width - 1]), np.array([-1]), np.array([2]))
    crops = [
        ops.slice(pixels, np.array([top, left]), np.array([top, left]) + sides, np.array([1, 1]), axes)
        for top in (0, large.height - transform.height)
        for left in (0, large.width - transform.width)
    ]
    each = network.clone()
    # Cropped and resized they are numbers, no bytes any more: the network's first step turns bytes into such numbers.
    (one_view,) = each.get_parameters()
    one_view.set_element_type(openvino.Type.f32)
    one_view.set_partial_shape(openvino.PartialShape([-1, transform.height, transform.width, 3]))
    each.validate_nodes_and_infer_types()
    views = ops.concat([whole, mirrored, *crops], 0)
    for reader in one_view.output(0).get_target_inputs():
        reader.replace_source_output(views.output(0))
    embeddings = each.output("embedding").get_node().input_value(0)
    dimension = embeddings.get_partial_shape()[1].get_length()
    by_view = ops.reshape(embeddings, np.array([VIEWS, -1, dimension]), special_zero=False)
    mean = ops.reduce_mean(by_view, np.array([0]))
    return openvino.Model([_named(ops.normalize_l2(mean, np.array([1]), 1e-24, "max"))], [photos], "six_views")


def _named(node: openvino.Node) -> openvino.Output:
    node.output(0).set_names({"embedding"})
    return node.output(0)
