package org.oncelog.interop;

import java.util.Map;

/**
 * One golden directory.
 *
 * @param how one or two sentences for whoever reads its expected.json
 * @param end how the broker went away
 * @param story what happened to the log before that
 */
record Golden(String name, String how, Map<String, String> topicConfig, End end, Story story) {

  enum End {
    /** A controlled shutdown. */
    CLEAN,
    /** The files as they lay there at one moment, the last write torn. */
    TORN
  }

  @FunctionalInterface
  interface Story {
    void tell(KafkaDir dir, Leader leader) throws Exception;
  }
}
