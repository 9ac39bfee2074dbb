# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A camera is subscribed to in its transport, and reliably once that is asked for."""

from types import SimpleNamespace

import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')
from mono_depth_ros.nodes.camera_input import BEST_EFFORT, CameraInput, RELIABLE
from mono_depth_ros.statistics import Report
from sensor_msgs.msg import CompressedImage, Image

NAN = float('nan')
LOSSY = Report(8.0, 0.0, NAN, NAN, 0.0, missing=7, received=8)
GOOD = Report(15.0, 0.0, NAN, NAN, 0.0, missing=0, received=15)


class NodeWithPublishers:
    """A node that remembers its subscriptions, and whose images have these publishers."""

    def __init__(self, *reliabilities, **overrides):
        self.subscriptions, self.overrides = [], overrides
        self.publishers = [
            SimpleNamespace(qos_profile=SimpleNamespace(reliability=reliability))
            for reliability in reliabilities
        ]

    def create_subscription(self, kind, topic, callback, qos, **options):
        for name, value in self.overrides.items() if topic != 'camera_info' else ():
            setattr(qos, name, value)
        callback_of_qos = options['qos_overriding_options'].callback
        assert callback_of_qos is None or callback_of_qos(qos).successful
        made = SimpleNamespace(kind=kind, topic_name=topic, qos_profile=qos, options=options)
        self.subscriptions.append(made)
        return made

    def destroy_subscription(self, subscription):
        self.subscriptions.remove(subscription)

    def get_publishers_info_by_topic(self, topic):
        return self.publishers


def listening_to(*reliabilities, transport='raw', **overrides):
    node = NodeWithPublishers(*reliabilities, **overrides)
    return node, CameraInput(node, transport, print, print, depth=2)


@pytest.mark.parametrize(
    ('transport', 'kind', 'topic'),
    [('raw', Image, 'image_rect'), ('compressed', CompressedImage, 'image_rect/compressed')],
)
def test_the_transport_chooses_the_topic(transport, kind, topic):
    node, camera = listening_to(transport=transport)

    assert [s.topic_name for s in node.subscriptions] == ['camera_info', topic]
    assert camera.kind is node.subscriptions[1].kind is kind


def test_images_that_are_offered_reliably_are_taken_so_once():
    node, camera = listening_to(RELIABLE, RELIABLE)

    assert camera.make_reliable()
    assert not camera.make_reliable()

    _, images = node.subscriptions
    assert images.qos_profile.reliability == RELIABLE
    assert images.qos_profile.depth == 2


def test_what_the_user_has_chosen_stays():
    node, camera = listening_to(RELIABLE, depth=7)

    assert camera.make_reliable()

    assert node.subscriptions[1].qos_profile.depth == 7


def test_images_stay_best_effort_where_the_user_wants_it():
    node, camera = listening_to(RELIABLE, reliability=BEST_EFFORT)
    before = list(node.subscriptions)

    assert not camera.make_reliable()

    assert node.subscriptions == before
    assert before[1].qos_profile.reliability == BEST_EFFORT


def test_images_are_offered_while_somebody_publishes_them():
    assert listening_to(BEST_EFFORT)[1].offered
    assert not listening_to()[1].offered


@pytest.mark.parametrize(
    ('offered', 'remedy'),
    [(RELIABLE, 'asking for them again, reliably'), (BEST_EFFORT, 'LARGE_DATA')],
)
def test_three_seconds_of_lost_images_are_told_once(offered, remedy):
    node, camera = listening_to(offered)

    told = [camera.check(LOSSY) for _ in range(6)]

    assert [bool(text) for text in told] == [False, False, True, False, False, False]
    assert told[2].startswith('8 of 15 images arrived')
    assert remedy in told[2]
    assert node.subscriptions[1].qos_profile.reliability == offered


def test_a_bad_second_now_and_then_says_nothing():
    node, camera = listening_to(RELIABLE)

    assert not any(camera.check(report) for report in [LOSSY, LOSSY, GOOD] * 3)

    assert node.subscriptions[1].qos_profile.reliability == BEST_EFFORT


@pytest.mark.parametrize('publishers', [(), (BEST_EFFORT,), (RELIABLE, BEST_EFFORT)])
def test_without_the_offer_of_all_it_stays_as_it_is(publishers):
    node, camera = listening_to(*publishers)
    before = list(node.subscriptions)

    assert not camera.make_reliable()

    assert node.subscriptions == before


def test_closing_ends_every_subscription():
    node, camera = listening_to(RELIABLE)
    camera.make_reliable()

    camera.close()

    assert node.subscriptions == []
