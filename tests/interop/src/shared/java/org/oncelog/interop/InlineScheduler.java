package org.oncelog.interop;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Delayed;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.server.util.Scheduler;

/**
 * Kafka's background work without a background: what is due now (the flush after a roll, the
 * removal of files at {@code file.delete.delay.ms=0}) is done in the call that asked for it; what
 * is due later or again and again (retention, checkpoints, expiry) is never done unless a story
 * asks for it.
 */
final class InlineScheduler implements Scheduler {
  @Override
  public void startup() {}

  @Override
  public void shutdown() {}

  @Override
  public ScheduledFuture<?> schedule(String name, Runnable task, long delayMs, long periodMs) {
    boolean dueNow = delayMs <= 0 && periodMs < 0;
    if (dueNow) {
      task.run();
    }
    return new Settled();
  }

  @Override
  public void resizeThreadPool(int newSize) {}

  /** Kafka keeps the handle only to cancel it. */
  private static final class Settled extends CompletableFuture<Void>
      implements ScheduledFuture<Void> {
    @Override
    public long getDelay(TimeUnit unit) {
      return 0;
    }

    @Override
    public int compareTo(Delayed other) {
      return Long.compare(getDelay(TimeUnit.MILLISECONDS), other.getDelay(TimeUnit.MILLISECONDS));
    }
  }
}
