// published_config.h: the configuration of a log that is open: readers copy it, whoever alters it
// publishes the next.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "oncelog/options.h"

namespace oncelog::log {

/// One at a time publishes, any thread reads a consistent copy without a lock: a sequence lock over
/// the words of the configuration. An append reads it once: two dozen loads, and no line of memory
/// that two threads write.
class PublishedConfig {
 public:
  explicit PublishedConfig(const TopicConfig& config) { publish(config); }

  void publish(const TopicConfig& config) noexcept {
    Words words{};
    std::memcpy(words.data(), &config, sizeof config);
    const std::uint64_t version = version_.load(std::memory_order_relaxed);
    version_.store(version + 1, std::memory_order_relaxed);
    // Release: whoever sees a new word sees the odd version before it.
    for (std::size_t i = 0; i < words.size(); ++i) {
      words_[i].store(words[i], std::memory_order_release);
    }
    version_.store(version + 2, std::memory_order_release);
    limits_flushes_.store(config.flush_messages != kUnlimited || config.flush_ms != kUnlimited);
  }

  /// Whether flush.messages or flush.ms is set: what each append asks.
  [[nodiscard]] bool limits_flushes() const noexcept {
    return limits_flushes_.load(std::memory_order_relaxed);
  }

  [[nodiscard]] TopicConfig read() const noexcept {
    while (true) {
      const std::uint64_t before = version_.load(std::memory_order_acquire);
      Words words;
      for (std::size_t i = 0; i < words.size(); ++i) {
        words[i] = words_[i].load(std::memory_order_acquire);
      }
      // Acquire above: this load cannot come before them.
      if (before % 2 != 0 || version_.load(std::memory_order_relaxed) != before) continue;
      TopicConfig config;
      std::memcpy(static_cast<void*>(&config), words.data(), sizeof config);
      return config;
    }
  }

 private:
  static_assert(std::is_trivially_copyable_v<TopicConfig>);
  static constexpr std::size_t kWords =
      (sizeof(TopicConfig) + sizeof(std::uint64_t) - 1) / sizeof(std::uint64_t);
  using Words = std::array<std::uint64_t, kWords>;

  std::atomic<std::uint64_t> version_{0};  ///< odd while one is being published
  std::array<std::atomic<std::uint64_t>, kWords> words_{};
  std::atomic<bool> limits_flushes_{false};
};

}  // namespace oncelog::log
