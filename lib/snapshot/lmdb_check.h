// lmdb_check.h: whether LMDB may open a file. LMDB maps its file and trusts every byte of it: a cut
// one is a SIGBUS, a flipped bit may be a crash or an abort. This walk reads the bytes before it.
//
// Source: mdb.c of LMDB 0.9.24, data version 1, on a machine with 64-bit words.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "oncelog/error.h"
#include "oncelog/io.h"
#include "oncelog/types.h"

namespace oncelog::snapshot {

enum class LmdbVerdict : std::uint8_t {
  kSound,    ///< LMDB may open it
  kDamaged,  ///< an LMDB file of this machine's kind with something wrong in it
  kForeign,  ///< no LMDB file of this version, byte order and page size
};

/// What a walk has found. The first damage ends it.
struct LmdbCheck {
  LmdbVerdict verdict = LmdbVerdict::kSound;
  std::string reason{};       ///< what was seen and expected; empty if sound
  std::int64_t position = 0;  ///< byte in the file that the reason speaks of
  std::int64_t pages_read = 0;
};

enum class LmdbCheckDepth : std::uint8_t {
  /// The two meta pages, and whether the file is as long as they say. A file that is shorter may be
  /// sound, as LMDB does not write free pages at the end: then all pages are walked.
  kMetas,
  /// Every page that the newest meta page leads to, in the main tree and in the tree of free pages.
  kAllPages,
};

/// Whether LMDB may open the file: with one unnamed database without MDB_DUPSORT, pages of 4096
/// bytes, a map of whole pages, without MDB_FIXEDMAP and MDB_WRITEMAP.
///
/// After kSound at kAllPages reading every row, by cursor and by key, putting, deleting and
/// committing do not crash LMDB. Keys and values may still be wrong where their order and sizes
/// hold: LMDB has no checksums, rows carry their own. A meta page that a flip makes one commit
/// older, or that was never written, gives the store of the commit before. Nothing is said of the
/// lock file.
///
/// An empty file is sound: LMDB makes a database of it. One shorter than a page is taken for a torn
/// one of ours. The older of the two meta pages must look like one, but its trees are not walked:
/// LMDB never opens them again. Pages that are neither used nor free are lost, which harms nobody.
/// A power cut under MDB_NOSYNC may leave meta pages of transactions that are not neighbours, which
/// is damage.
///
/// Bounds: each page is read at most once; memory is two bits for each page of the file and 128
/// KiB, and a page for each level of a tree. Errors are those of reading the file.
Result<LmdbCheck> check_lmdb_file(const File& file, LmdbCheckDepth depth);

/// A row as it lies in its page. Valid during the visit.
struct LmdbRow {
  Bytes key{};
  Bytes value{};
  std::int64_t position = 0;  ///< of its node in the file
};

/// Both return false to end the walk.
struct LmdbVisitor {
  std::function<bool(const LmdbRow&)> row{};
  std::function<bool(const LmdbCheck&)> damage{};  ///< behind it the next page is read
};

/// Visits the rows of the newest commit in the order of their keys, without LMDB and without a
/// lock: of a file that is damaged, those in pages that are sound and can be reached. Damage of the
/// meta pages leaves nothing to visit and is in the answer, as the first damage always is. While
/// the owner commits, pages may change under the walk, which looks like damage.
Result<LmdbCheck> visit_lmdb_rows(const File& file, const LmdbVisitor& visitor);

}  // namespace oncelog::snapshot
