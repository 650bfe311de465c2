import os
import signal
import threading

import pytest

from unrolled.interrupts import Interrupts


@pytest.mark.parametrize(
    "number, kind, text", [(signal.SIGINT, KeyboardInterrupt, "^$"), (signal.SIGTERM, SystemExit, "143")]
)
def test_the_first_signal_waits_and_the_second_does_not(number, kind, text):
    before = signal.getsignal(number)
    with Interrupts() as interrupts:
        interrupts.leave()
        os.kill(os.getpid(), number)
        assert interrupts.received == number
        with pytest.raises(kind, match=text):
            interrupts.leave()
        with pytest.raises(kind, match=text):
            os.kill(os.getpid(), number)
    assert signal.getsignal(number) is before


def test_hang_ups_come_more_than_once_and_hurry_nothing():
    """From the kernel and the shell, before or after another signal, which then counts."""
    with Interrupts() as interrupts:
        for number, asked in ((signal.SIGHUP, signal.SIGHUP),) * 2 + ((signal.SIGTERM, signal.SIGTERM),):
            os.kill(os.getpid(), number)
            assert interrupts.received == asked
            with pytest.raises(SystemExit, match=str(128 + asked)):
                interrupts.leave()
        os.kill(os.getpid(), signal.SIGHUP)
        assert interrupts.received == signal.SIGTERM


def test_an_ignored_signal_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Interrupts() as interrupts:
            os.kill(os.getpid(), signal.SIGINT)
            assert interrupts.received is None
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_outside_the_main_thread_nothing_is_touched():
    before, seen = signal.getsignal(signal.SIGTERM), []

    def enter():
        with Interrupts() as interrupts:
            seen.append((signal.getsignal(signal.SIGTERM), interrupts.received))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert seen == [(before, None)]
