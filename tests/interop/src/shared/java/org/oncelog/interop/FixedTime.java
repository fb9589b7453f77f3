package org.oncelog.interop;

import java.util.function.Supplier;
import org.apache.kafka.common.utils.Time;

/**
 * A clock that stands still until it is told to move, so that the same story gives the same bytes.
 */
final class FixedTime implements Time {
  /** Where every clock of this project begins; {@code oncelog shell} begins here, too. */
  static final long START_MS = 1_700_000_000_000L;

  private long nowMs = START_MS;

  void set(long ms) {
    nowMs = ms;
  }

  void advance(long ms) {
    nowMs += ms;
  }

  @Override
  public long milliseconds() {
    return nowMs;
  }

  @Override
  public long nanoseconds() {
    return nowMs * 1_000_000L;
  }

  /** Whoever sleeps wants time to pass; nobody has to wait for it. */
  @Override
  public void sleep(long ms) {
    advance(ms);
  }

  @Override
  public void waitObject(Object object, Supplier<Boolean> condition, long deadlineMs) {
    throw new UnsupportedOperationException(
        "nothing runs beside this thread that could be waited for");
  }
}
