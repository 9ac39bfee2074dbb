# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Names of what is scored, as tables and files have them."""

NETWORK = 'network'
CONSTANT = 'constant'
RAMP = 'ramp 3:1'
ROW_PRIOR = 'row prior'
# For a network without a source pack of its own: name of a shipped one to name of the prior.
BORROWED = {name: f'{ROW_PRIOR} {name}' for name in ('indoor', 'street')}
BASELINES = {
    CONSTANT: "each image's own true median",
    RAMP: '3 m at the top of every image, 1 m at the bottom',
    ROW_PRIOR: 'mean depth per image row of the source pack',
    **{method: f'the row prior of the shipped {name}' for name, method in BORROWED.items()},
}
