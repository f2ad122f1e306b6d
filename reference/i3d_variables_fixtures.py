"""Writes what TensorFlow gives for I3D under the variable names of DeepMind's code, and a small SavedModel with variables:

    packages/fvd/fixtures/i3d-tensorflow.json    names and shapes of the variables, and the logits of one clip
    packages/engine/fixtures/saved-model/        two variables by such names, and a counter that is no float

Made with Python 3.11, torch 2.15.0, tensorflow-cpu 2.21.0, numpy 2.4.6:
    python3.11 -m venv ENVIRONMENT
    ENVIRONMENT/bin/pip install torch==2.15.0 tensorflow-cpu==2.21.0 numpy==2.4.6
    ENVIRONMENT/bin/python reference/i3d_variables_fixtures.py

Weights and clip are not stored: they are formulas of integers that packages/fvd/fixtures/i3d-weights.ts has too.
"""

import json
import shutil
from pathlib import Path

import tensorflow.compat.v1 as tf
import torch

from i3d import EPS, MIXED
from video_dit_fixtures import numbers

PACKAGES = Path(__file__).parent.parent / "packages"
SIZE = (9, 197, 205)


def variable(name, shape):
    x = numbers(f"i3d {tf.get_variable_scope().name}/{name}", torch.Size(shape))
    if name.endswith("moving_variance"):
        x = 1 + x / 4
    elif len(shape) == 1 or shape[:-1] == [1, 1, 1, 1]:
        x = x / 8
    else:
        inputs, power = torch.Size(shape[:-1]).numel(), 0
        while 4**power < inputs:
            power += 1
        x = 2 * x / 2**power
    return tf.get_variable(name, initializer=x.float().numpy())


def unit(x, name, outputs, side=1, stride=1, is_head=False):
    """A convolution with batch norm whose scale is not learnt."""
    with tf.variable_scope(name):
        with tf.variable_scope("conv_3d"):
            w = variable("w", [side, side, side, x.shape[-1], outputs])
            x = tf.nn.conv3d(x, w, [1, stride, stride, stride, 1], "SAME")
            if is_head:
                return x + variable("b", [outputs])
        with tf.variable_scope("batch_norm"):
            shape = [1, 1, 1, 1, outputs]
            mean, variance = variable("moving_mean", shape), variable("moving_variance", shape)
            x = tf.nn.batch_normalization(x, mean, variance, variable("beta", shape), None, EPS)
    return tf.nn.relu(x)


def pool(x, window, stride):
    return tf.nn.max_pool3d(x, [1, *window, 1], [1, *stride, 1], "SAME")


def mixed(x, name):
    _, b0, b1a, b1b, b2a, b2b, b3b = MIXED[name]
    with tf.variable_scope(f"Mixed_{name}"):
        with tf.variable_scope("Branch_0"):
            first = unit(x, "Conv3d_0a_1x1", b0)
        with tf.variable_scope("Branch_1"):
            second = unit(unit(x, "Conv3d_0a_1x1", b1a), "Conv3d_0b_3x3", b1b, 3)
        with tf.variable_scope("Branch_2"):
            # The published names have a slip in this one block.
            last = "Conv3d_0a_3x3" if name == "5b" else "Conv3d_0b_3x3"
            third = unit(unit(x, "Conv3d_0a_1x1", b2a), last, b2b, 3)
        with tf.variable_scope("Branch_3"):
            fourth = unit(pool(x, (3, 3, 3), (1, 1, 1)), "Conv3d_0b_1x1", b3b)
    return tf.concat([first, second, third, fourth], 4)


def i3d(x):
    with tf.variable_scope("RGB"), tf.variable_scope("inception_i3d"):
        x = pool(unit(x, "Conv3d_1a_7x7", 64, 7, 2), (1, 3, 3), (1, 2, 2))
        x = unit(unit(x, "Conv3d_2b_1x1", 64), "Conv3d_2c_3x3", 192, 3)
        x = mixed(mixed(pool(x, (1, 3, 3), (1, 2, 2)), "3b"), "3c")
        x = pool(x, (3, 3, 3), (2, 2, 2))
        for name in ("4b", "4c", "4d", "4e", "4f"):
            x = mixed(x, name)
        x = mixed(mixed(pool(x, (2, 2, 2), (2, 2, 2)), "5b"), "5c")
        with tf.variable_scope("Logits"):
            x = tf.nn.avg_pool3d(x, [1, 2, 7, 7, 1], [1, 1, 1, 1, 1], "VALID")
            x = unit(x, "Conv3d_0c_1x1", 400, is_head=True)
        return tf.reduce_mean(x, [1, 2, 3])


def write_logits():
    clip = numbers(f"i3d clip {'x'.join(map(str, SIZE))}", torch.Size([1, *SIZE, 3])) / 2
    with tf.Graph().as_default(), tf.Session() as session:
        logits = i3d(tf.constant(clip.float().numpy()))
        session.run(tf.global_variables_initializer())
        [row] = session.run(logits)
        variables = {x.op.name: x.shape.as_list() for x in tf.global_variables()}
    print(row.std())
    fixture = {
        "madeWith": f"reference/i3d_variables_fixtures.py, tensorflow {tf.__version__}",
        "size": SIZE,
        "variables": variables,
        "logits": [float(x) for x in row],
    }
    (PACKAGES / "fvd/fixtures/i3d-tensorflow.json").write_text(json.dumps(fixture) + "\n")


def write_saved_model():
    folder = PACKAGES / "engine/fixtures/saved-model"
    shutil.rmtree(folder, ignore_errors=True)
    with tf.Graph().as_default(), tf.Session() as session:
        with tf.variable_scope("RGB"):
            tf.get_variable("w", initializer=tf.reshape(tf.range(6, dtype=tf.float32), [2, 1, 3]))
            tf.get_variable("b", initializer=tf.constant([0.5, -0.25]))
        tf.get_variable("global_step", initializer=tf.constant(7, tf.int64))
        session.run(tf.global_variables_initializer())
        builder = tf.saved_model.Builder(str(folder))
        builder.add_meta_graph_and_variables(session, ["serve"])
        builder.save()


tf.disable_eager_execution()
write_logits()
write_saved_model()
