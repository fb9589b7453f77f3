// disk_state.h: what a simulated disk holds: for each file and directory what reads show and what
// is on stable storage, and between the two an ordered list of changes. Marked unstable.
//
// Invariant: what reads show is what is stored with all unsynced changes made to it, in order; but
//   for bytes whose sync has failed: the system takes their pages for clean, so that reads show
//   them although nothing will ever write them (design: the sync is never retried).
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "oncelog/types.h"

namespace oncelog::sim {

using InodeNumber = std::uint64_t;
using Content = std::vector<std::byte>;
using Names = std::map<std::string, InodeNumber, std::less<>>;

/// A file or a directory; its name is in the directory that holds it.
struct Inode {
  bool is_directory = false;
  InodeNumber number = 0;         ///< what a status answers; a file that is gone may have had it
  bool is_number_reused = false;  ///< this one is gone, and another has its number
  std::int64_t modified_ms = 0;
  Content cached{};  ///< what reads show
  Content stored{};
  Names cached_names{};  ///< of a directory
  Names stored_names{};
};

/// Bytes written.
struct WriteChange {
  InodeNumber file = 0;
  std::int64_t position = 0;
  Content bytes{};
};
/// A truncation, or a file that has grown by zeros.
struct ResizeChange {
  InodeNumber file = 0;
  std::int64_t bytes = 0;
};
/// A name that a directory has got: of a new file, or of one that had another name before. One
/// step: the old name goes with it, and so does what the new name stood for.
struct LinkChange {
  InodeNumber directory = 0;
  std::string name{};
  InodeNumber target = 0;
  std::optional<std::pair<InodeNumber, std::string>> old_name{};
};
struct UnlinkChange {
  InodeNumber directory = 0;
  std::string name{};
};
using Change = std::variant<WriteChange, ResizeChange, LinkChange, UnlinkChange>;

/// Whether the change waits for a sync of this file or directory.
[[nodiscard]] bool is_synced_by(const Change& change, InodeNumber inode);

/// Puts bytes into a file's content, which grows if it must.
void put_bytes(Content& content, std::int64_t position, Bytes bytes);

inline constexpr InodeNumber kRootInode = 1;

/// A value: a copy is another disk. Not thread-safe. Paths have `/` between their parts; `.` and
/// `..` are followed.
class DiskState {
 public:
  DiskState();
  /// The disk of these stored inodes, as a machine finds it that has just been started; what no
  /// name leads to is gone.
  explicit DiskState(std::map<InodeNumber, Inode> stored);

  [[nodiscard]] std::optional<InodeNumber> find(std::string_view path) const;
  /// The directory that holds the last part of the path, and that part.
  [[nodiscard]] std::optional<std::pair<InodeNumber, std::string>> find_parent(
      std::string_view path) const;
  [[nodiscard]] const Inode& at(InodeNumber inode) const { return inodes_.at(inode); }
  [[nodiscard]] const std::map<InodeNumber, Inode>& inodes() const { return inodes_; }
  [[nodiscard]] const std::vector<Change>& unsynced() const { return unsynced_; }
  /// Names that lead to a file now.
  [[nodiscard]] std::uint64_t count_links(InodeNumber inode) const;
  /// The path that leads to an inode now, or its number where none does.
  [[nodiscard]] std::string path_of(InodeNumber inode) const;
  [[nodiscard]] std::string text_of(const Change& change) const;
  /// Equal for disks that read alike and have the same to lose.
  [[nodiscard]] std::uint64_t fingerprint() const;

  /// What becomes of the number of a file that no name leads to any more.
  enum class OldNumbers : std::uint8_t { kRetired, kReused };
  /// A new file or directory, without a name yet.
  InodeNumber create(bool is_directory, std::int64_t now_ms,
                     OldNumbers old_numbers = OldNumbers::kRetired);
  /// Makes the change for readers, and keeps it for the next sync of its inode.
  void change(Change made, std::int64_t now_ms);
  /// What waits for a sync of this inode is stored.
  void sync(InodeNumber inode);
  /// The sync has failed. The first `stored_count` changes have been stored, bytes among the others
  /// never will be; names, and lengths that were set, wait for the next one: they are in a journal,
  /// not in pages.
  void fail_sync(InodeNumber inode, std::size_t stored_count);
  [[nodiscard]] std::size_t count_unsynced(InodeNumber inode) const;
  /// Files and directories that no name leads to go, and what was to be stored of them: for a disk
  /// whose processes have all ended.
  void forget_nameless();
  /// Reads from `position` on show what the device has, and what is still to be written.
  void drop_cache(InodeNumber file, std::int64_t position);

 private:
  /// The number of a file that has lost its last name; none if there is none.
  std::optional<InodeNumber> take_old_number();

  std::map<InodeNumber, Inode> inodes_;
  InodeNumber next_inode_ = kRootInode + 1;
  std::vector<Change> unsynced_;
};

/// Makes a change to what the members say: `cached` or `stored`, and the names likewise.
void make_change(std::map<InodeNumber, Inode>& inodes, const Change& change,
                 Content Inode::* content, Names Inode::* names);

}  // namespace oncelog::sim
