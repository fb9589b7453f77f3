#include "snapshot/lmdb_check.h"

#include <algorithm>
#include <array>
#include <bit>
#include <compare>
#include <cstddef>
#include <initializer_list>
#include <optional>
#include <string_view>
#include <tuple>
#include <vector>

#include "oncelog/types.h"
#include "snapshot/lmdb_format.h"

namespace oncelog::snapshot {

namespace {
using namespace lmdb;

/// Why a meta page is none of ours; empty if it is one.
std::string foreignness(const Meta& meta) {
  const auto expected = [](std::uint64_t seen, std::uint64_t ours) {
    return std::to_string(seen) + ", expected " + std::to_string(ours);
  };
  if (meta.magic == std::byteswap(kMagic)) return "byte order is not this machine's";
  if (meta.magic != kMagic) return "magic is " + expected(meta.magic, kMagic);
  if (meta.version != kVersion) return "version is " + expected(meta.version, kVersion);
  if (meta.free.pad != kPageBytes) return "page size is " + expected(meta.free.pad, kPageBytes);
  return {};
}

/// Keys that a page may hold: `[begin, end)`. They lie in the pages of the levels above.
struct KeyRange {
  std::optional<Bytes> begin{};
  std::optional<Bytes> end{};
};

/// Walks from the meta pages down. Damage unwinds like an error of reading; run() tells the two
/// apart by the verdict. `from` is everywhere the position of the number that leads to a page.
class LmdbWalk {
 public:
  LmdbWalk(const File& file, std::int64_t file_bytes, const LmdbVisitor* visitor = nullptr)
      : file_(file),
        visitor_(visitor),
        file_pages_(static_cast<std::uint64_t>(file_bytes) / kPageBytes) {}

  Result<LmdbCheck> run(LmdbCheckDepth depth) {
    const Result<void> walked = walk(depth);
    if (first_damage_) return *first_damage_;
    if (!walked && !is_ended_ && check_.verdict == LmdbVerdict::kSound)
      return std::unexpected(walked.error());
    return check_;
  }

 private:
  Result<void> walk(LmdbCheckDepth depth) {
    ONCELOG_TRY(check_metas());
    if (meta_.last_page > 2 * file_pages_ + kUnwrittenPagesMax) {
      return damaged(file_position(meta_.header.number), "last page is ", meta_.last_page,
                     ", the file has ", file_pages_, " pages");
    }
    if (depth == LmdbCheckDepth::kMetas && meta_.last_page < file_pages_) return {};

    seen_.assign(meta_.last_page + 1, false);
    ONCELOG_TRY(passed(walk_tree(meta_.main)));
    ONCELOG_TRY(passed(walk_tree(meta_.free)));

    // Other pages than the last free ones are missing only where the file was cut.
    for (std::uint64_t number = file_pages_; number <= meta_.last_page; ++number) {
      if (seen_[number]) continue;
      return damaged(file_position(file_pages_), "page ", number, " is not free, the file has ",
                     file_pages_, " pages");
    }
    return {};
  }

  Result<void> check_metas() {
    std::array<Meta, kMetaPages> metas{};
    for (std::uint64_t number = 0; number < kMetaPages; ++number) {
      Page page{};  // what the file has not is zero
      ONCELOG_TRY(file_.read_at(page, file_position(number)));
      ++check_.pages_read;
      metas[number] = load<Meta>(page, 0);
    }
    ONCELOG_TRY(check_kinds(metas));
    for (std::uint64_t number = 0; number < kMetaPages; ++number) {
      ONCELOG_TRY(check_meta(metas[number], number));
    }
    meta_ = metas[metas[0].transaction < metas[1].transaction ? 1 : 0];
    // Transaction n writes page n % 2 and leaves that of n - 1 alone. A new file has two zeros.
    const std::uint64_t older = metas[1 - meta_.header.number].transaction;
    if (meta_.transaction == older + 1 || meta_.transaction == 0) return {};
    return damaged(file_position(meta_.header.number), "meta pages of transactions ",
                   meta_.transaction, " and ", older, " are not neighbours");
  }

  /// One meta page of our kind makes the file ours, and so do two that were never written whole.
  Result<void> check_kinds(const std::array<Meta, kMetaPages>& metas) {
    const std::array wrong{foreignness(metas[0]), foreignness(metas[1])};
    const bool is_torn = file_pages_ == 0 || (metas[0].magic == 0 && metas[1].magic == 0);
    const bool is_ours = wrong[0].empty() || wrong[1].empty() || is_torn;
    if (is_ours && file_pages_ < kMetaPages) {
      return damaged(file_position(file_pages_), "file ends within the meta pages");
    }
    for (std::uint64_t number = 0; number < kMetaPages; ++number) {
      if (wrong[number].empty()) continue;
      auto error = damaged(file_position(number), "meta page ", number, ": ", wrong[number]);
      if (!is_ours) check_.verdict = LmdbVerdict::kForeign;
      return error;
    }
    return {};
  }

  /// What holds for both. The trees of the older one are nobody's: where writing a meta page fails,
  /// LMDB puts back its last page and its transaction, but not its trees.
  Result<void> check_meta(const Meta& meta, std::uint64_t number) {
    using Rule = std::tuple<bool, std::string_view, std::uint64_t>;
    const Tree& free = meta.free;
    const Tree& main = meta.main;
    const auto has_depth = [](const Tree& tree) {
      return tree.root == kNoPage ? tree.depth == 0 : tree.depth >= 1 && tree.depth <= kDepthMax;
    };
    const bool is_its_turn = meta.transaction == 0 || meta.transaction % kMetaPages == number;
    for (const auto& [holds, what, seen] : std::initializer_list<Rule>{
             {meta.header.number == number, "page number", meta.header.number},
             {meta.header.kind == kMetaPage, "kind of page", meta.header.kind},
             {meta.address == 0, "fixed address", meta.address},
             {meta.map_bytes % kPageBytes == 0, "map size", meta.map_bytes},
             {meta.map_bytes <= kMapBytesMax, "map size", meta.map_bytes},
             {(free.flags & ~kNoSubdirFlag) == kIntegerKeyFlag, "free tree's kind", free.flags},
             {has_depth(free), "free tree's depth", free.depth},
             {main.flags == 0 && main.pad == 0, "main tree's kind", main.flags},
             {has_depth(main), "main tree's depth", main.depth},
             {meta.last_page + 1 >= kMetaPages, "last page", meta.last_page},
             {meta.last_page < meta.map_bytes / kPageBytes, "last page", meta.last_page},
             {is_its_turn, "transaction", meta.transaction},
             {meta.transaction <= kTransactionMax, "transaction", meta.transaction}}) {
      if (holds) continue;
      return damaged(file_position(number), "meta page ", number, ": ", what, " is ", seen);
    }
    return {};
  }

  Result<void> walk_tree(const Tree& tree) {
    is_free_tree_ = &tree == &meta_.free;
    depth_ = tree.depth;
    walked_ = {};
    levels_.resize(depth_);
    if (tree.root != kNoPage) {
      ONCELOG_TRY(walk_page(tree.root, file_position(meta_.header.number), 0, {}));
    }
    ONCELOG_TRY(check_count("branch pages", walked_.branch_pages, tree.branch_pages));
    ONCELOG_TRY(check_count("leaf pages", walked_.leaf_pages, tree.leaf_pages));
    ONCELOG_TRY(check_count("overflow pages", walked_.overflow_pages, tree.overflow_pages));
    return check_count("entries", walked_.entries, tree.entries);
  }

  Result<void> check_count(std::string_view what, std::uint64_t seen, std::uint64_t expected) {
    if (seen == expected || first_damage_) return {};
    return damaged(file_position(meta_.header.number), is_free_tree_ ? "free" : "main",
                   " tree has ", seen, " ", what, ", expected ", expected);
  }

  Result<void> walk_page(std::uint64_t number, std::int64_t from, std::size_t level,
                         const KeyRange& range) {
    Page& page = levels_[level];
    const bool is_leaf = level + 1 == depth_;
    ONCELOG_TRY(open_page(number, from, is_leaf ? kLeafPage : kBranchPage, page));
    ONCELOG_TRY(check_layout(page, is_leaf));
    ONCELOG_TRY(check_keys(page, is_leaf ? 0 : 1, range));

    const std::size_t count = slot_count(page);
    ++(is_leaf ? walked_.leaf_pages : walked_.branch_pages);
    walked_.entries += is_leaf ? count : 0;
    for (std::size_t slot = 0; slot < count; ++slot) {
      const Node node(page, slot);
      if (node.is_big()) ONCELOG_TRY(check_overflow(node));
      if (is_leaf && is_free_tree_) ONCELOG_TRY(check_free_list(node));
      if (is_leaf && !is_free_tree_) ONCELOG_TRY(passed(show_row(node)));
      if (is_leaf) continue;
      KeyRange below = range;
      if (slot > 0) below.begin = node.key();
      if (slot + 1 < count) below.end = Node(page, slot + 1).key();
      ONCELOG_TRY(passed(walk_page(node.child(), node.place(), level + 1, below)));
    }
    return {};
  }

  Result<void> show_row(const Node& node) {
    if (visitor_ == nullptr) return {};
    if (node.is_big()) {
      return damaged(node.place(), "a row has ", node.data_bytes(),
                     " bytes, more than one of ours");
    }
    const Bytes value = node.page.subspan(node.data_position(), node.data_bytes());
    is_ended_ = !visitor_->row({node.key(), value, node.place()});
    return ended_or({});
  }

  /// Where rows are visited, damage is told, and the walk goes on beside it.
  Result<void> passed(Result<void> outcome) {
    const bool is_damage = !outcome && check_.verdict == LmdbVerdict::kDamaged;
    if (visitor_ == nullptr || is_ended_ || !is_damage) return outcome;
    if (!first_damage_) first_damage_ = check_;
    is_ended_ = !visitor_->damage(check_);
    check_ = {.pages_read = check_.pages_read};
    return ended_or({});
  }

  /// The end by the visitor unwinds like an error, too.
  Result<void> ended_or(Result<void> outcome) const {
    if (!is_ended_) return outcome;
    return fail(ErrorCode::NONE, "the visitor has ended the walk");
  }

  /// Slots behind the header, nodes without gaps or overlaps at the end: so LMDB writes them, and
  /// where it moves nodes it relies on it.
  Result<void> check_layout(Bytes page, bool is_leaf) {
    const auto header = load<PageHeader>(page, 0);
    const std::size_t slots_end_min = sizeof header + (is_leaf ? 1 : 2) * kSlotBytes;
    if (header.lower < slots_end_min || header.lower > header.upper || header.upper > kPageBytes ||
        header.lower % 2 != 0 || header.upper % 2 != 0) {
      return damaged_in(page, offsetof(PageHeader, lower), "free from ", header.lower, " to ",
                        header.upper);
    }
    std::array<std::uint16_t, kPageBytes / 2> bytes_at{};  // of the node that begins there
    const std::size_t count = slot_count(page);
    for (std::size_t slot = 0; slot < count; ++slot) {
      const std::size_t slot_position = sizeof header + slot * kSlotBytes;
      const std::size_t position = load<std::uint16_t>(page, slot_position);
      if (position < header.upper || position + sizeof(NodeHeader) > kPageBytes ||
          position % 2 != 0) {
        return damaged_in(page, slot_position, "node at ", position, ", nodes begin at ",
                          header.upper);
      }
      const Node node(page, slot);
      ONCELOG_TRY(check_node(node, !is_leaf && slot == 0));
      bytes_at[position / 2] = static_cast<std::uint16_t>((node.bytes() + 1) / 2 * 2);
    }
    std::size_t end = header.upper;
    std::size_t found_count = 0;
    for (; end < kPageBytes && bytes_at[end / 2] != 0; ++found_count) end += bytes_at[end / 2];
    if (end == kPageBytes && found_count == count) return {};
    return damaged_in(page, 0, found_count, " of ", count, " nodes follow one another from ",
                      header.upper, " to ", end);
  }

  Result<void> check_node(const Node& node, bool may_lack_key) {
    const auto wrong = [&](std::string_view what, std::uint64_t seen) {
      return damaged_in(node.page, node.position, "a node's ", what, " is ", seen);
    };
    // Sub-databases and duplicates are nothing that we write.
    if ((node.flags() & ~unsigned{kBigDataFlag}) != 0) return wrong("kind", node.flags());
    const std::size_t key_bytes = node.header.key_bytes;
    const std::size_t key_bytes_min = may_lack_key ? 0 : (is_free_tree_ ? kWordBytes : 1);
    const std::size_t key_bytes_max = is_free_tree_ ? kWordBytes : kKeyBytesMax;
    if (key_bytes < key_bytes_min || key_bytes > key_bytes_max) return wrong("key size", key_bytes);
    const std::size_t bytes_max = std::min(kNodeBytesMax, kPageBytes - node.position);
    if (node.bytes() > bytes_max) return wrong("size", node.bytes());
    return {};
  }

  /// From `first_slot` on: the first key of a branch is never looked at.
  Result<void> check_keys(Bytes page, std::size_t first_slot, const KeyRange& range) {
    for (std::size_t slot = first_slot; slot < slot_count(page); ++slot) {
      const Bytes key = Node(page, slot).key();
      const bool ascends = slot == first_slot || compare(Node(page, slot - 1).key(), key) < 0;
      const bool is_within = (!range.begin || compare(*range.begin, key) <= 0) &&
                             (!range.end || compare(key, *range.end) < 0);
      if (ascends && is_within) continue;
      return damaged_in(page, Node(page, slot).position, "a key is ",
                        ascends ? "another page's" : "not above the one before");
    }
    return {};
  }

  [[nodiscard]] std::strong_ordering compare(Bytes a, Bytes b) const {
    if (is_free_tree_) return load<std::uint64_t>(a, 0) <=> load<std::uint64_t>(b, 0);
    const int order = std::memcmp(a.data(), b.data(), std::min(a.size(), b.size()));
    return order != 0 ? order <=> 0 : a.size() <=> b.size();
  }

  /// The pages of a value. Leaves the first one in overflow_.
  Result<void> check_overflow(const Node& node) {
    const auto number = load<std::uint64_t>(node.page, node.data_position());
    const std::int64_t from = file_position(node.page, node.data_position());
    ONCELOG_TRY(open_page(number, from, kOverflowPage, overflow_));
    // More pages than needed are right: LMDB keeps them where one transaction shrinks a value.
    const std::uint64_t count = load<std::uint32_t>(overflow_, offsetof(PageHeader, lower));
    const std::uint64_t count_min = (sizeof(PageHeader) + node.data_bytes() - 1) / kPageBytes + 1;
    if (count < count_min) {
      return damaged(file_position(number), "overflow page ", number, " has ", count, " pages, ",
                     node.data_bytes(), " bytes take ", count_min);
    }
    walked_.overflow_pages += count;
    for (std::uint64_t next = number + 1; next < number + count; ++next) {
      ONCELOG_TRY(claim(next, file_position(number)));
    }
    return {};
  }

  /// The key is the transaction that freed the pages, the data their count and their numbers,
  /// descending. There may be more room than numbers.
  Result<void> check_free_list(const Node& node) {
    const auto transaction = load<std::uint64_t>(node.key(), 0);
    const bool has_words = node.data_bytes() > 0 && node.data_bytes() % kWordBytes == 0;
    if (transaction < 1 || transaction > meta_.transaction || !has_words) {
      return damaged(node.place(), node.data_bytes(), " bytes of free pages of transaction ",
                     transaction, ", the last is ", meta_.transaction);
    }
    const Bytes page = node.is_big() ? Bytes(overflow_) : node.page;
    const std::size_t begin = node.is_big() ? sizeof(PageHeader) : node.data_position();
    const std::size_t end = node.is_big() ? kPageBytes : begin + node.data_bytes();
    Bytes words = page.subspan(begin, end - begin);
    std::uint64_t number = page_number(page);
    std::int64_t position = file_position(page, begin);
    const auto count = load<std::uint64_t>(words, 0);
    if (count > node.data_bytes() / kWordBytes - 1) {
      return damaged(position, "a list of ", node.data_bytes(), " bytes has ", count,
                     " free pages");
    }
    std::uint64_t above = meta_.last_page + 1;
    for (std::uint64_t i = 0; i < count; ++i) {
      words = words.subspan(kWordBytes);
      position += kWordBytes;
      if (words.empty()) {  // check_overflow knows that there is another page
        ONCELOG_TRY(read_page(++number, overflow_));
        words = overflow_;
      }
      const auto free_page = load<std::uint64_t>(words, 0);
      if (free_page >= above) {
        return damaged(position, "free page ", free_page, " is not below ", above);
      }
      ONCELOG_TRY(mark(free_page, position));
      above = free_page;
    }
    return {};
  }

  /// Takes a page that is in use or free.
  Result<void> mark(std::uint64_t number, std::int64_t from) {
    if (number < kMetaPages || number > meta_.last_page) {
      return damaged(from, "page ", number, " is beyond ", kMetaPages, " to ", meta_.last_page);
    }
    if (seen_[number]) return damaged(from, "page ", number, " is used or free a second time");
    seen_[number] = true;
    return {};
  }

  /// Takes a page that is in use, and therefore in the file.
  Result<void> claim(std::uint64_t number, std::int64_t from) {
    ONCELOG_TRY(mark(number, from));
    if (number < file_pages_) return {};
    return damaged(from, "page ", number, " is in use, the file has ", file_pages_, " pages");
  }

  Result<void> read_page(std::uint64_t number, Page& page) {
    ONCELOG_TRY_ASSIGN(const std::size_t count, file_.read_at(page, file_position(number)));
    ++check_.pages_read;
    if (count == kPageBytes) return {};
    return damaged(file_position(number, count), "file ends within page ", number);
  }

  Result<void> open_page(std::uint64_t number, std::int64_t from, std::uint16_t kind, Page& page) {
    ONCELOG_TRY(claim(number, from));
    ONCELOG_TRY(read_page(number, page));
    const auto header = load<PageHeader>(page, 0);
    if (header.number == number && header.kind == kind) return {};
    return damaged(file_position(number), "page ", number, " is page ", header.number, " of kind ",
                   header.kind, ", expected kind ", kind);
  }

  template <class... Parts>
  std::unexpected<Error> damaged(std::int64_t position, const Parts&... parts) {
    std::unexpected<Error> error = fail(ErrorCode::CORRUPT_MESSAGE, parts...);
    check_.verdict = LmdbVerdict::kDamaged;
    check_.reason = error.error().context;
    check_.position = position;
    return error;
  }

  template <class... Parts>
  std::unexpected<Error> damaged_in(Bytes page, std::size_t position, const Parts&... parts) {
    return damaged(file_position(page, position), "page ", page_number(page), ": ", parts...);
  }

  const File& file_;
  const LmdbVisitor* visitor_;
  bool is_ended_ = false;
  std::optional<LmdbCheck> first_damage_{};  ///< that was passed
  std::uint64_t file_pages_;                 ///< whole ones
  LmdbCheck check_{};
  Meta meta_{};                ///< the newer one
  std::vector<bool> seen_;     ///< by page number: in use or free
  bool is_free_tree_ = false;  ///< the tree that is walked
  std::uint16_t depth_ = 0;
  Tree walked_{};             ///< only its counts
  std::vector<Page> levels_;  ///< the pages from the root to where the walk is
  Page overflow_{};
};
}  // namespace

Result<LmdbCheck> check_lmdb_file(const File& file, LmdbCheckDepth depth) {
  ONCELOG_TRY_ASSIGN(const std::int64_t file_bytes, file.size());
  if (file_bytes == 0) return LmdbCheck{};
  return LmdbWalk(file, file_bytes).run(depth);
}

Result<LmdbCheck> visit_lmdb_rows(const File& file, const LmdbVisitor& visitor) {
  ONCELOG_TRY_ASSIGN(const std::int64_t file_bytes, file.size());
  if (file_bytes == 0) return LmdbCheck{};
  return LmdbWalk(file, file_bytes, &visitor).run(LmdbCheckDepth::kAllPages);
}

}  // namespace oncelog::snapshot
