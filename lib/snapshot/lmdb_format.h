// lmdb_format.h: LMDB's file as it lies on the disk: pages, nodes, meta pages.
//
// Source: mdb.c of LMDB 0.9.24, data version 1, on a machine with 64-bit words.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "oncelog/types.h"

namespace oncelog::snapshot::lmdb {

inline constexpr std::size_t kPageBytes = 4096;
using Page = std::array<std::byte, kPageBytes>;

// What follows is LMDB's format, in the byte order and the words of the machine, which is why
// base/bytes.h is of no use here.
static_assert(sizeof(void*) == 8);

/// Slots follow, two bytes each: where the nodes begin. Nodes lie at the page's end. A value on
/// overflow pages follows behind its first page's header, the others have none.
struct PageHeader {
  std::uint64_t number = 0;
  std::uint16_t unused = 0;  ///< never set, never read
  std::uint16_t kind = 0;    ///< one bit; others are set in memory only
  std::uint16_t lower = 0;   ///< end of the slots; with upper, the count of overflow pages
  std::uint16_t upper = 0;   ///< begin of the nodes
};
static_assert(sizeof(PageHeader) == 16);
inline constexpr std::uint16_t kBranchPage = 0x01;
inline constexpr std::uint16_t kLeafPage = 0x02;
inline constexpr std::uint16_t kOverflowPage = 0x04;
inline constexpr std::uint16_t kMetaPage = 0x08;

/// The key follows and, in a leaf, the data or the number of its first overflow page.
struct NodeHeader {
  std::uint32_t low = 0;   ///< in a leaf the size of the data, in a branch the child
  std::uint16_t high = 0;  ///< in a leaf flags, in a branch the child
  std::uint16_t key_bytes = 0;
};
static_assert(sizeof(NodeHeader) == 8);
inline constexpr std::uint16_t kBigDataFlag = 0x01;
inline constexpr std::size_t kSlotBytes = 2;
inline constexpr std::size_t kWordBytes = 8;
inline constexpr std::size_t kKeyBytesMax = 511;
/// Larger ones go to overflow pages. LMDB's splits and merges rely on it.
inline constexpr std::size_t kNodeBytesMax = 2038;

struct Tree {
  std::uint32_t pad = 0;  ///< of the free tree: the size of pages
  std::uint16_t flags = 0;
  std::uint16_t depth = 0;
  std::uint64_t branch_pages = 0;
  std::uint64_t leaf_pages = 0;
  std::uint64_t overflow_pages = 0;
  std::uint64_t entries = 0;
  std::uint64_t root = 0;
};
static_assert(sizeof(Tree) == 48);
inline constexpr std::uint64_t kNoPage = ~std::uint64_t{0};
inline constexpr std::uint16_t kIntegerKeyFlag = 0x08;
inline constexpr std::uint16_t kNoSubdirFlag = 0x4000;  // of the environment, but kept there
/// LMDB's cursors have room for 32 levels; one is left for the root that a write may put on top.
inline constexpr std::uint16_t kDepthMax = 31;

struct Meta {
  PageHeader header{};
  std::uint32_t magic = 0;
  std::uint32_t version = 0;
  std::uint64_t address = 0;
  std::uint64_t map_bytes = 0;
  Tree free{};
  Tree main{};
  std::uint64_t last_page = 0;
  std::uint64_t transaction = 0;
};
static_assert(sizeof(Meta) == 152);
inline constexpr std::uint64_t kMetaPages = 2;
inline constexpr std::uint32_t kMagic = 0xBEEFC0DE;
inline constexpr std::uint32_t kVersion = 1;
inline constexpr std::uint64_t kMapBytesMax = std::uint64_t{1} << 47;  // what a process can address
inline constexpr std::uint64_t kTransactionMax = std::uint64_t{1} << 62;

/// How far the last page may lie behind the file's end, besides the file's length once more. A
/// transaction of LMDB has at most 2^17 pages in memory that it may give back unwritten.
inline constexpr std::uint64_t kUnwrittenPagesMax = 1 << 20;

template <class T>
T load(Bytes bytes, std::size_t position) {
  T value;
  std::memcpy(&value, bytes.data() + position, sizeof value);
  return value;
}

inline std::int64_t file_position(std::uint64_t page, std::size_t position_in_page = 0) {
  return static_cast<std::int64_t>(page * kPageBytes + position_in_page);
}

/// Of a page that has been found to have the number that led to it.
inline std::uint64_t page_number(Bytes page) { return load<std::uint64_t>(page, 0); }

inline std::int64_t file_position(Bytes page, std::size_t position_in_page) {
  return file_position(page_number(page), position_in_page);
}

inline std::size_t slot_count(Bytes page) {
  return (load<PageHeader>(page, 0).lower - sizeof(PageHeader)) / kSlotBytes;
}

/// A node whose header lies within its page.
struct Node {
  Node(Bytes its_page, std::size_t slot)
      : page(its_page),
        is_in_leaf(load<PageHeader>(page, 0).kind == kLeafPage),
        position(load<std::uint16_t>(page, sizeof(PageHeader) + slot * kSlotBytes)),
        header(load<NodeHeader>(page, position)) {}

  Bytes page;
  bool is_in_leaf;
  std::size_t position;
  NodeHeader header;

  [[nodiscard]] std::int64_t place() const { return file_position(page, position); }
  [[nodiscard]] std::size_t key_position() const { return position + sizeof header; }
  [[nodiscard]] std::size_t data_position() const { return key_position() + header.key_bytes; }
  [[nodiscard]] Bytes key() const { return page.subspan(key_position(), header.key_bytes); }
  [[nodiscard]] std::uint64_t child() const {
    return header.low | (std::uint64_t{header.high} << 32);
  }
  [[nodiscard]] unsigned flags() const { return is_in_leaf ? header.high : 0U; }
  [[nodiscard]] bool is_big() const { return (flags() & kBigDataFlag) != 0; }
  [[nodiscard]] std::size_t data_bytes() const { return is_in_leaf ? header.low : 0; }
  [[nodiscard]] std::size_t bytes() const {
    return data_position() - position + (is_big() ? kWordBytes : data_bytes());
  }
};

}  // namespace oncelog::snapshot::lmdb
