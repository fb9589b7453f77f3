// target.h: what libFuzzer calls, and how a target reads its input.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "base/assert.h"
#include "oncelog/types.h"

extern "C" {
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
/// Where a target has one: changes the input in place and answers its new size.
std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t size_max,
                                    unsigned seed);
/// libFuzzer's own mutations.
std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t size_max);
}

namespace oncelog::fuzz {

using Buffer = std::vector<std::byte>;

inline Bytes bytes_of(const std::uint8_t* data, std::size_t size) {
  return std::as_bytes(std::span(data, size));
}

/// An input whose last bytes choose how the target looks at the others: so what stands in front is
/// the thing itself, as it lies in a file.
class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : rest_(bytes_of(data, size)) {}

  /// The last byte, which is taken off; 0 when there is none.
  std::uint8_t choice() {
    if (rest_.empty()) return 0;
    const auto byte = std::to_integer<std::uint8_t>(rest_.back());
    rest_ = rest_.first(rest_.size() - 1);
    return byte;
  }
  template <class T>
  T number() {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i) value = value << 8 | choice();
    return static_cast<T>(value);
  }
  [[nodiscard]] Bytes bytes() const { return rest_; }

 private:
  Bytes rest_;
};

/// A stretch of an input that a mutator changes, within the room behind it.
struct Stretch {
  std::uint8_t* data = nullptr;
  std::size_t size = 0;
  std::size_t size_max = 0;

  [[nodiscard]] std::span<std::byte> bytes() const {
    return std::as_writable_bytes(std::span(data, size));
  }
  void mutate() { size = LLVMFuzzerMutate(data, size, size_max); }
  /// Takes other content, cut to the room.
  void assign(Bytes content) {
    size = content.size() < size_max ? content.size() : size_max;
    if (size > 0) std::memcpy(data, content.data(), size);
  }
};

/// A mutator for an input with `choices` bytes at its end: changes the choices, or what stands in
/// front of them with `mutate(Stretch&, seed)`.
template <class Mutate>
std::size_t mutate_in_front(std::uint8_t* data, std::size_t size, std::size_t size_max,
                            std::size_t choices, unsigned seed, Mutate mutate) {
  if (size <= choices || size_max <= choices) return LLVMFuzzerMutate(data, size, size_max);
  std::uint8_t* const tail = data + (size - choices);
  if (choices > 0 && seed % 8 == 7) {
    (void)LLVMFuzzerMutate(tail, choices, choices);
    return size;
  }
  const std::vector<std::uint8_t> kept(tail, tail + choices);
  Stretch front{data, size - choices, size_max - choices};
  mutate(front, seed / 8);
  if (choices > 0) std::memcpy(data + front.size, kept.data(), choices);
  return front.size + choices;
}

}  // namespace oncelog::fuzz
