// growing_array.h: an array that one thread appends to while any other reads, without a lock.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <memory>
#include <type_traits>

#include "base/assert.h"

namespace oncelog::segment {

/// Grows at the end only, in blocks that double and never move.
///
/// Invariant: elements below size() never change. Thread-safe for one appender (reserve, push_back)
/// and any number of readers (size, operator[]).
template <class T>
class GrowingArray {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  [[nodiscard]] std::size_t size() const { return size_.load(std::memory_order_acquire); }
  [[nodiscard]] bool empty() const { return size() == 0; }
  [[nodiscard]] const T& operator[](std::size_t index) const {
    const std::size_t block = block_of(index);
    return blocks_[block][index - block_begin(block)];
  }

  /// Allocates what the next `count` calls of push_back need.
  void reserve(std::size_t count) {
    const std::size_t needed = size_.load(std::memory_order_relaxed) + count;
    while (capacity_ < needed) {
      const std::size_t block = block_of(capacity_);
      ONCELOG_ASSERT(block < kBlocks, block);
      blocks_[block] = std::make_unique<T[]>(kFirstBlock << block);
      capacity_ = block_begin(block + 1);
    }
  }
  /// Cannot fail after reserve.
  void push_back(const T& value) noexcept {
    const std::size_t index = size_.load(std::memory_order_relaxed);
    const std::size_t block = block_of(index);
    ONCELOG_ASSERT(blocks_[block] != nullptr, index);
    blocks_[block][index - block_begin(block)] = value;
    size_.store(index + 1, std::memory_order_release);
  }

  /// Index of the first element for which `is_before` is false, by bisection; size() if there is
  /// none.
  template <class Predicate>
  [[nodiscard]] std::size_t partition_point(Predicate is_before) const {
    std::size_t begin = 0;
    std::size_t end = size();
    while (begin < end) {
      const std::size_t middle = begin + (end - begin) / 2;
      if (is_before((*this)[middle])) {
        begin = middle + 1;
      } else {
        end = middle;
      }
    }
    return begin;
  }

 private:
  static constexpr std::size_t kFirstBlock = 16;
  static constexpr std::size_t kBlocks = 28;

  static std::size_t block_of(std::size_t index) {
    return static_cast<std::size_t>(std::bit_width(index / kFirstBlock + 1)) - 1;
  }
  static std::size_t block_begin(std::size_t block) {
    return kFirstBlock * ((std::size_t{1} << block) - 1);
  }

  std::atomic<std::size_t> size_{0};
  std::array<std::unique_ptr<T[]>, kBlocks> blocks_{};
  std::size_t capacity_ = 0;  ///< the appender's
};

}  // namespace oncelog::segment
