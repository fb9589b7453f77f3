#include "snapshot/lmdb_check.h"

#include <gmock/gmock.h>
#include <lmdb.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <optional>
#include <random>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/matchers.h"
#include "support/temp_dir.h"

namespace oncelog::snapshot {
namespace {

using test::FailsWith;
using testing::AnyOf;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::size_t kPage = 4096;
constexpr std::size_t kMapBytes = 64 << 20;

// --- stores, made by LMDB itself ---

MDB_val view(std::string_view text) { return {text.size(), const_cast<char*>(text.data())}; }

void require(int code) {
  if (code != MDB_SUCCESS) throw std::runtime_error(mdb_strerror(code));
}

/// An open environment.
class Store {
 public:
  explicit Store(const std::string& path) {
    require(mdb_env_create(&env_));
    require(mdb_env_set_mapsize(env_, kMapBytes));
    require(mdb_env_open(env_, path.c_str(), MDB_NOSUBDIR | MDB_NOTLS | MDB_NOSYNC, 0600));
  }
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;
  ~Store() { mdb_env_close(env_); }

  /// Commits what `write` does.
  void commit(const std::function<void(MDB_txn*, MDB_dbi)>& write) {
    MDB_txn* txn = nullptr;
    MDB_dbi dbi = 0;
    require(mdb_txn_begin(env_, nullptr, 0, &txn));
    require(mdb_dbi_open(txn, nullptr, 0, &dbi));
    write(txn, dbi);
    require(mdb_txn_commit(txn));
  }
  void put(std::string_view key, std::string_view value) {
    commit([&](MDB_txn* txn, MDB_dbi dbi) { put(txn, dbi, key, value); });
  }
  static void put(MDB_txn* txn, MDB_dbi dbi, std::string_view key, std::string_view value) {
    MDB_val row[] = {view(key), view(value)};
    require(mdb_put(txn, dbi, &row[0], &row[1], 0));
  }
  static void remove(MDB_txn* txn, MDB_dbi dbi, std::string_view key) {
    MDB_val row = view(key);
    const int code = mdb_del(txn, dbi, &row, nullptr);
    if (code != MDB_NOTFOUND) require(code);
  }
  /// Rows from the first one at or above `key` on.
  static void remove_from(MDB_txn* txn, MDB_dbi dbi, std::string_view key, std::size_t count) {
    MDB_cursor* cursor = nullptr;
    require(mdb_cursor_open(txn, dbi, &cursor));
    MDB_val row = view(key);
    MDB_val value{};
    for (MDB_cursor_op op = MDB_SET_RANGE; count > 0; --count, op = MDB_NEXT) {
      if (mdb_cursor_get(cursor, &row, &value, op) != MDB_SUCCESS) break;
      require(mdb_cursor_del(cursor, 0));
    }
    mdb_cursor_close(cursor);
  }
  [[nodiscard]] MDB_env* env() { return env_; }

 private:
  MDB_env* env_ = nullptr;
};

using Random = std::mt19937_64;

std::size_t below(Random& random, std::size_t end) { return random() % end; }

/// 25 bytes of which neighbours share most, as the rows of a partition do.
std::string random_key(Random& random) {
  std::string key(25, '\x01');
  const std::uint64_t id = below(random, 40000);
  for (std::size_t i = 0; i < 8; ++i) key[8 + i] = static_cast<char>(id >> (56 - 8 * i));
  return key;
}

std::string random_text(Random& random, std::size_t bytes) {
  std::string text(bytes, '\0');
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

/// 30 to 160 bytes; one in 300 needs overflow pages.
std::string random_value(Random& random) {
  const bool is_big = below(random, 300) == 0;
  return random_text(random, is_big ? 3000 + below(random, 9000) : 30 + below(random, 131));
}

/// One commit of a life: `rows` new ones, some of the old ones gone, at times a stretch of them.
void live(Store& store, Random& random, std::size_t rows) {
  store.commit([&](MDB_txn* txn, MDB_dbi dbi) {
    for (std::size_t i = 0; i < rows; ++i) {
      Store::put(txn, dbi, random_key(random), random_value(random));
    }
    for (std::size_t i = 0; i < rows / 4; ++i) Store::remove(txn, dbi, random_key(random));
    if (below(random, 2) == 0) Store::remove_from(txn, dbi, random_key(random), rows / 3);
  });
}

// --- files in memory, which tests damage ---

class Image final : public File {
 public:
  explicit Image(std::vector<std::byte> content) : bytes(std::move(content)) {}

  Result<std::size_t> read_at(std::span<std::byte> buffer, std::int64_t position) const override {
    if (static_cast<std::size_t>(position) == failing_position) {
      return fail(ErrorCode::KAFKA_STORAGE_ERROR, "read at ", position);
    }
    pages_read.insert(static_cast<std::size_t>(position) / kPage);
    const std::size_t begin = std::min(static_cast<std::size_t>(position), bytes.size());
    const std::size_t count = std::min(buffer.size(), bytes.size() - begin);
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(begin), count, buffer.begin());
    return count;
  }
  [[nodiscard]] Result<std::int64_t> size() const override {
    return claimed_bytes.value_or(std::ssize(bytes));
  }
  Result<void> write_at(std::span<const Bytes>, std::int64_t) override { return {}; }
  Result<void> truncate(std::int64_t) override { return {}; }
  Result<void> preallocate(std::int64_t) override { return {}; }
  Result<void> sync() override { return {}; }
  Result<void> drop_cache(std::int64_t) override { return {}; }
  [[nodiscard]] int native_handle() const override { return -1; }

  template <class T>
  [[nodiscard]] T get(std::size_t position) const {
    T value;
    std::memcpy(&value, bytes.data() + position, sizeof value);
    return value;
  }
  template <class T>
  void put(std::size_t position, T value) {
    std::memcpy(bytes.data() + position, &value, sizeof value);
  }
  void add(std::size_t position, std::uint64_t change) {
    put(position, get<std::uint64_t>(position) + change);
  }
  void flip(std::size_t position, std::size_t bit) {
    bytes[position] ^= static_cast<std::byte>(1U << bit);
  }

  std::vector<std::byte> bytes;
  std::optional<std::int64_t> claimed_bytes{};  ///< what size() says, if not the truth
  std::size_t failing_position = ~std::size_t{0};
  mutable std::set<std::size_t> pages_read{};
};

Image read_image(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(stream), {}};
  const Bytes bytes = as_bytes(text);
  return Image({bytes.begin(), bytes.end()});
}

void write_image(const std::string& path, const Image& image) {
  std::ofstream stream(path, std::ios::binary | std::ios::trunc);
  stream.write(reinterpret_cast<const char*>(image.bytes.data()), std::ssize(image.bytes));
}

LmdbCheck check(const Image& image, LmdbCheckDepth depth = LmdbCheckDepth::kAllPages) {
  const auto checked = check_lmdb_file(image, depth);
  EXPECT_THAT(checked, test::Succeeds());
  if (!checked) return {.verdict = LmdbVerdict::kForeign, .reason = checked.error().text()};
  EXPECT_EQ(checked->verdict == LmdbVerdict::kSound, checked->reason.empty());
  EXPECT_LE(checked->pages_read, std::ssize(image.bytes) / std::int64_t{kPage} + 2);
  return *checked;
}

bool is_sound(const Image& image) { return check(image).verdict == LmdbVerdict::kSound; }

void expect_sound(const Image& image) {
  EXPECT_THAT(check(image).reason, IsEmpty());
  EXPECT_THAT(check(image, LmdbCheckDepth::kMetas).reason, IsEmpty());
}

void expect_damaged(const Image& image, const std::string& reason) {
  const LmdbCheck checked = check(image);
  EXPECT_EQ(checked.verdict, LmdbVerdict::kDamaged);
  EXPECT_THAT(checked.reason, HasSubstr(reason));
  EXPECT_GE(checked.position, 0);
  EXPECT_LE(checked.position, std::ssize(image.bytes));
}

/// Damage in the meta pages, which the quick check finds, too.
void expect_damaged_metas(const Image& image, const std::string& reason) {
  expect_damaged(image, reason);
  EXPECT_THAT(check(image, LmdbCheckDepth::kMetas).reason, HasSubstr(reason));
}

void expect_foreign(const Image& image, const std::string& reason) {
  for (const auto depth : {LmdbCheckDepth::kMetas, LmdbCheckDepth::kAllPages}) {
    const LmdbCheck checked = check(image, depth);
    EXPECT_EQ(checked.verdict, LmdbVerdict::kForeign);
    EXPECT_THAT(checked.reason, HasSubstr(reason));
  }
}

/// A store of one of these lives: the file after it.
Image image_of(const std::function<void(Store&)>& live_it) {
  const test::TempDir dir(test::memory_directory());
  {
    Store store(dir.file("state"));
    live_it(store);
  }
  return read_image(dir.file("state"));
}

/// A store after so many commits of 400 rows each.
Image image_after(int commits) {
  return image_of([&](Store& store) {
    Random random(1);
    for (int i = 0; i < commits; ++i) live(store, random, 400);
  });
}

/// Some 3,000 rows, overflow values and free lists.
const Image& lived_image() {
  static const Image kImage = image_after(12);
  return kImage;
}

// --- what is sound ---

TEST(LmdbCheck, AcceptsAFileThatIsNotYetWritten) { expect_sound(Image({})); }

TEST(LmdbCheck, AcceptsAnEmptyEnvironment) {
  const Image image = image_of([](Store&) {});
  expect_sound(image);
  EXPECT_EQ(check(image).pages_read, 2);
}

TEST(LmdbCheck, AcceptsOneRow) {
  expect_sound(image_of([](Store& store) { store.put("key", "value"); }));
}

TEST(LmdbCheck, AcceptsAStoreThatWasEmptiedAgain) {
  expect_sound(image_of([](Store& store) {
    store.put("key", std::string(5000, 'v'));
    store.commit([](MDB_txn* txn, MDB_dbi dbi) { Store::remove(txn, dbi, "key"); });
  }));
}

TEST(LmdbCheck, AcceptsTheLongestKeysAndLargeValues) {
  expect_sound(image_of([](Store& store) {
    Random random(2);
    store.commit([&](MDB_txn* txn, MDB_dbi dbi) {
      for (int i = 0; i < 500; ++i) {
        Store::put(txn, dbi, random_text(random, 511), random_text(random, below(random, 9000)));
      }
    });
  }));
}

TEST(LmdbCheck, AcceptsALargeStoreAfterEveryCommit) {
  const test::TempDir dir(test::memory_directory());
  Store store(dir.file("state"));
  Random random(3);
  std::size_t rows = 0;
  for (int i = 0; i < 15; ++i) {
    live(store, random, 2500);
    expect_sound(read_image(dir.file("state")));
    MDB_stat stat{};
    require(mdb_env_stat(store.env(), &stat));
    rows = stat.ms_entries;
  }
  EXPECT_GT(rows, 12000U);
}

TEST(LmdbCheck, AcceptsShortLives) {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const test::TempDir dir(test::memory_directory());
    Store store(dir.file("state"));
    Random random(seed);
    for (std::size_t i = 0; i < 12; ++i) {
      const std::size_t rows = std::size_t{1} << below(random, 10);
      live(store, random, rows);
      SCOPED_TRACE("seed " + std::to_string(seed) + ", commit " + std::to_string(i));
      expect_sound(read_image(dir.file("state")));
    }
  }
}

TEST(LmdbCheck, AcceptsFreeListsOfManyTransactionsAndOnOverflowPages) {
  const Image image = image_of([](Store& store) {
    Random random(4);
    for (int i = 0; i < 4; ++i) live(store, random, 5000);
    store.commit([](MDB_txn* txn, MDB_dbi dbi) { Store::remove_from(txn, dbi, "\x01", 9000); });
    MDB_txn* reader = nullptr;  // holds back all that is freed from now on
    require(mdb_txn_begin(store.env(), nullptr, MDB_RDONLY, &reader));
    for (int i = 0; i < 200; ++i) live(store, random, 8);
    mdb_txn_abort(reader);
  });
  expect_sound(image);
  const std::size_t meta =
      image.get<std::uint64_t>(144) > image.get<std::uint64_t>(kPage + 144) ? 0 : kPage;
  EXPECT_GT(image.get<std::uint64_t>(meta + 40 + 8), 0U) << "branch pages";
  EXPECT_GT(image.get<std::uint64_t>(meta + 40 + 24), 0U) << "overflow pages";
}

TEST(LmdbCheck, AcceptsAValueThatShrankOnItsOverflowPages) {
  expect_sound(image_of([](Store& store) {
    store.commit([](MDB_txn* txn, MDB_dbi dbi) {
      Store::put(txn, dbi, "key", std::string(50000, 'v'));
      Store::put(txn, dbi, "key", "short");
    });
  }));
}

/// LMDB does not write what one transaction took and gave back.
Image image_without_last_pages() {
  return image_of([](Store& store) {
    Random random(5);
    for (int i = 0; i < 4; ++i) live(store, random, 100);
    store.commit([](MDB_txn* txn, MDB_dbi dbi) {
      Store::put(txn, dbi, "small", "value");
      Store::put(txn, dbi, "large", std::string(20 * kPage, 'v'));
      Store::remove(txn, dbi, "large");
    });
  });
}

TEST(LmdbCheck, AcceptsAFileThatEndsBeforeItsLastFreePages) {
  const Image image = image_without_last_pages();
  const auto last_page = image.get<std::uint64_t>(kPage + 136);  // of transaction 5
  ASSERT_LT(image.bytes.size(), last_page * kPage);
  expect_sound(image);
  // Whether it was cut is to be seen in the list of free pages only.
  EXPECT_GT(check(image, LmdbCheckDepth::kMetas).pages_read, 2);
  Image cut = image;
  cut.bytes.resize(cut.bytes.size() - kPage);
  EXPECT_FALSE(is_sound(cut));
  EXPECT_EQ(check(cut, LmdbCheckDepth::kMetas).verdict, LmdbVerdict::kDamaged);
}

TEST(LmdbCheck, AcceptsBytesBehindTheLastPage) {
  Image image = lived_image();
  image.bytes.resize(image.bytes.size() + 5 * kPage + 100, std::byte{0xAB});
  expect_sound(image);
}

TEST(LmdbCheck, MetasAreTwoPages) {
  EXPECT_EQ(check(lived_image(), LmdbCheckDepth::kMetas).pages_read, 2);
  EXPECT_GT(check(lived_image()).pages_read, 100);
}

// --- what is not ours ---

TEST(LmdbCheck, OtherFilesAreForeign) {
  expect_foreign(Image(std::vector<std::byte>(3 * kPage, std::byte{'x'})), "magic is 2021161080");
  expect_foreign(Image(std::vector<std::byte>(kPage, std::byte{'x'})), "magic is 2021161080");
}

TEST(LmdbCheck, AnotherVersionByteOrderOrPageSizeIsForeign) {
  const auto with = [](std::size_t position, std::uint32_t value) {
    Image image = lived_image();
    image.put(position, value);
    image.put(kPage + position, value);
    return image;
  };
  expect_foreign(with(16, 0xDEC0EFBE), "byte order");
  expect_foreign(with(20, 999), "version is 999, expected 1");
  expect_foreign(with(40, 16384), "page size is 16384, expected 4096");
}

TEST(LmdbCheck, APageSizeOfWhichNoSecondMetaPageSpeaksIsForeign) {
  Image image = lived_image();
  image.put(40, std::uint32_t{8192});
  std::fill_n(image.bytes.begin() + kPage, kPage, std::byte{0});
  expect_foreign(image, "page size is 8192");
}

TEST(LmdbCheck, OneMetaPageOfOursMakesTheFileOurs) {
  for (const std::size_t page : {std::size_t{0}, kPage}) {
    for (const std::size_t position : {16UZ, 20UZ, 40UZ}) {
      Image image = lived_image();
      image.flip(page + position, 3);
      expect_damaged_metas(image, "meta page " + std::to_string(page / kPage));
    }
  }
}

TEST(LmdbCheck, AFileOfZerosIsDamaged) {
  for (const std::size_t bytes : {std::size_t{1}, std::size_t{512}, kPage, 2 * kPage, 9 * kPage}) {
    const Image image(std::vector<std::byte>(bytes, std::byte{0}));
    EXPECT_EQ(check(image).verdict, LmdbVerdict::kDamaged) << bytes;
  }
}

// --- damaged meta pages ---

/// The main tree of a small store: a root with leaves below it.
class LmdbDamage : public testing::Test {
 protected:
  LmdbDamage()
      : image_(image_of([](Store& store) {
          Random random(6);
          for (int i = 0; i < 5; ++i) {
            store.commit([&](MDB_txn* txn, MDB_dbi dbi) {
              for (int j = 0; j < 40; ++j) {
                Store::put(txn, dbi, random_key(random), random_text(random, 100));
              }
            });
          }
          store.put("big", std::string(9000, 'b'));
        })),
        meta_(image_.get<std::uint64_t>(144) > image_.get<std::uint64_t>(kPage + 144) ? 0 : kPage),
        root_(image_.get<std::uint64_t>(meta_ + kMain + 40) * kPage),
        leaf_(child(root_, 1)),
        free_leaf_(image_.get<std::uint64_t>(meta_ + kFree + 40) * kPage) {}

  void SetUp() override {
    ASSERT_TRUE(is_sound(image_));
    ASSERT_EQ(image_.get<std::uint16_t>(meta_ + kMain + 6), 2) << "levels";
    ASSERT_EQ(image_.get<std::uint16_t>(meta_ + kFree + 6), 1) << "levels of the free tree";
    ASSERT_GT(slot_count(root_), 3U);
    ASSERT_GT(slot_count(leaf_), 3U);
    ASSERT_GT(slot_count(free_leaf_), 1U);
  }
  [[nodiscard]] std::size_t slot_count(std::size_t page) const {
    return (image_.get<std::uint16_t>(page + 12) - std::size_t{16}) / 2;
  }
  [[nodiscard]] std::size_t slot(std::size_t page, std::size_t index) const {
    return page + 16 + 2 * index;
  }
  [[nodiscard]] std::size_t node(std::size_t page, std::size_t index) const {
    return page + image_.get<std::uint16_t>(slot(page, index));
  }
  [[nodiscard]] std::size_t child(std::size_t page, std::size_t index) const {
    return image_.get<std::uint32_t>(node(page, index)) * kPage;
  }
  [[nodiscard]] std::size_t data(std::size_t page, std::size_t index) const {
    return node(page, index) + 8 + image_.get<std::uint16_t>(node(page, index) + 6);
  }
  /// The leaf and the index of the one value on overflow pages.
  [[nodiscard]] std::pair<std::size_t, std::size_t> big_value() const {
    for (std::size_t i = 0; i < slot_count(root_); ++i) {
      const std::size_t leaf = child(root_, i);
      for (std::size_t j = 0; j < slot_count(leaf); ++j) {
        if (image_.get<std::uint16_t>(node(leaf, j) + 4) == 1) return {leaf, j};
      }
    }
    throw std::runtime_error("no big value");
  }
  template <class T>
  void expect(std::size_t position, T value, const std::string& reason) {
    Image image = image_;
    image.put(position, value);
    expect_damaged(image, reason);
  }
  template <class T>
  void expect_metas(std::size_t position, T value, const std::string& reason) {
    Image image = image_;
    image.put(position, value);
    expect_damaged_metas(image, reason);
  }

  static constexpr std::size_t kFree = 40;
  static constexpr std::size_t kMain = 88;
  Image image_;
  std::size_t meta_;  ///< positions of pages: the newest meta page
  std::size_t root_;
  std::size_t leaf_;
  std::size_t free_leaf_;
};

TEST_F(LmdbDamage, OfTheHeadersOfMetaPages) {
  for (const std::size_t page : {std::size_t{0}, kPage}) {
    expect_metas(page, std::uint64_t{7}, "page number is 7");
    expect_metas(page + 10, std::uint16_t{0x18}, "kind of page is 24");
    expect_metas(page + 24, std::uint64_t{4096}, "fixed address is 4096");
  }
}

TEST_F(LmdbDamage, OfTheMapSize) {
  for (const std::size_t page : {std::size_t{0}, kPage}) {
    expect_metas(page + 32, std::uint64_t{kMapBytes + 1}, "map size is");
    expect_metas(page + 32, std::uint64_t{1} << 48, "map size is");
    expect_metas(page + 32, std::uint64_t{kPage}, "last page is");
  }
}

TEST_F(LmdbDamage, OfTheKindsOfTrees) {
  for (const std::size_t page : {std::size_t{0}, kPage}) {
    expect_metas(page + kFree + 4, std::uint16_t{0}, "free tree's kind is 0");
    expect_metas(page + kFree + 4, std::uint16_t{MDB_INTEGERKEY | MDB_DUPSORT}, "free tree's kind");
    expect_metas(page + kMain + 4, std::uint16_t{MDB_DUPSORT}, "main tree's kind is 4");
    expect_metas(page + kMain + 4, std::uint16_t{MDB_REVERSEKEY}, "main tree's kind is 2");
    expect_metas(page + kMain, std::uint32_t{1}, "main tree's kind");
  }
}

TEST_F(LmdbDamage, OfDepths) {
  for (const std::size_t tree : {kFree, kMain}) {
    for (const unsigned depth : {0U, 32U, 0xFFFFU}) {
      expect_metas(meta_ + tree + 6, static_cast<std::uint16_t>(depth),
                   "tree's depth is " + std::to_string(depth));
    }
    expect_metas(meta_ + tree + 40, ~std::uint64_t{0}, "tree's depth");
  }
  expect(meta_ + kMain + 6, std::uint16_t{1}, "of kind 1, expected kind 2");
  expect(meta_ + kMain + 6, std::uint16_t{3}, "of kind 2, expected kind 1");
  expect(meta_ + kFree + 6, std::uint16_t{2}, "of kind 2, expected kind 1");
}

TEST_F(LmdbDamage, OfTransactions) {
  const auto newest = image_.get<std::uint64_t>(meta_ + 144);
  const std::size_t other = kPage - meta_;
  expect_metas(meta_ + 144, newest + 1, "transaction is");
  expect_metas(other + 144, newest + 1 + (std::uint64_t{1} << 62), "transaction is");
  expect_metas(meta_ + 144, newest + 2, "are not neighbours");
  expect_metas(other + 144, newest - 3, "are not neighbours");
  expect_metas(other + 144, std::uint64_t{0}, "are not neighbours");
}

/// As a meta page that was never written: one commit is gone, which LMDB cannot know either.
TEST_F(LmdbDamage, AnOlderTransactionIsTheCommitBefore) {
  Image image = image_;
  image.add(meta_ + 144, std::uint64_t{0} - 2);
  expect_sound(image);
}

TEST_F(LmdbDamage, OfTheLastPage) {
  expect_metas(meta_ + 136, std::uint64_t{0}, "last page is 0");
  expect_metas(meta_ + 136, ~std::uint64_t{0}, "last page is");
  expect(meta_ + 136, root_ / kPage - 1, "is beyond 2 to");
  const std::uint64_t pages = image_.bytes.size() / kPage;
  expect_metas(meta_ + 136, pages, "page " + std::to_string(pages) + " is not free");
  Image image = image_;
  image.put(meta_ + 32, std::uint64_t{1} << 40);
  image.put(meta_ + 136, std::uint64_t{1} << 27);
  expect_damaged_metas(image,
                       "last page is 134217728, the file has");  // and takes no memory for it
}

TEST_F(LmdbDamage, TreesOfTheOlderMetaPageAreNotLookedAt) {
  const std::size_t other = kPage - meta_;
  Image image = image_;
  image.put(other + kMain + 40, std::uint64_t{12345678});
  image.put(other + kMain + 32, std::uint64_t{12345678});
  expect_sound(image);
}

// --- damaged trees ---

TEST_F(LmdbDamage, OfRoots) {
  for (const std::size_t tree : {kFree, kMain}) {
    const std::uint64_t last_page = image_.get<std::uint64_t>(meta_ + 136);
    expect(meta_ + tree + 40, std::uint64_t{1}, "page 1 is beyond 2 to");
    expect(meta_ + tree + 40, last_page + 1, "is beyond 2 to");
    expect(meta_ + tree + 40, std::uint64_t{1} << 63, "is beyond 2 to");
  }
  expect(meta_ + kFree + 40, leaf_ / kPage, "used or free a second time");
}

TEST_F(LmdbDamage, OfCounts) {
  for (const std::size_t tree : {kFree, kMain}) {
    const std::string name = tree == kFree ? "free" : "main";
    for (const auto& [position, what] : {std::pair<std::size_t, const char*>{8, "branch pages"},
                                         {16, "leaf pages"},
                                         {24, "overflow pages"},
                                         {32, "entries"}}) {
      Image image = image_;
      image.add(meta_ + tree + position, 1);
      expect_damaged(image, what);
      expect_damaged(image, name + " tree has");
    }
  }
}

TEST_F(LmdbDamage, OfPageHeaders) {
  for (const std::size_t page : {root_, leaf_, free_leaf_}) {
    const auto kind = image_.get<std::uint16_t>(page + 10);
    const auto lower = image_.get<std::uint16_t>(page + 12);
    const auto upper = image_.get<std::uint16_t>(page + 14);
    expect(page, std::uint64_t{page / kPage + 1}, "is page " + std::to_string(page / kPage + 1));
    for (const unsigned flag : {0x04U, 0x08U, 0x10U, 0x20U, 0x40U, 0x4000U, 0x8000U, 0x03U}) {
      expect(page + 10, static_cast<std::uint16_t>(kind ^ flag), "expected kind");
    }
    expect(page + 12, std::uint16_t{14}, "free from 14");
    expect(page + 12, std::uint16_t{16}, "free from 16");
    expect(page + 12, static_cast<std::uint16_t>(lower + 1), "free from");
    expect(page + 12, static_cast<std::uint16_t>(lower - 2), "nodes follow one another");
    expect(page + 12, static_cast<std::uint16_t>(upper + 2), "free from");
    expect(page + 14, std::uint16_t{4098}, "to 4098");
    expect(page + 14, static_cast<std::uint16_t>(upper - 1), "free from");
    expect(page + 14, static_cast<std::uint16_t>(upper - 2), "nodes follow one another");
    expect(page + 14, static_cast<std::uint16_t>(upper + 2), "nodes begin at");
  }
  expect(root_ + 12, std::uint16_t{18}, "free from 18");  // a branch of one child
}

TEST_F(LmdbDamage, OfSlots) {
  for (const std::size_t page : {root_, leaf_, free_leaf_}) {
    const auto upper = image_.get<std::uint16_t>(page + 14);
    const auto position = image_.get<std::uint16_t>(slot(page, 1));
    expect(slot(page, 1), static_cast<std::uint16_t>(position + 1), "node at");
    expect(slot(page, 1), static_cast<std::uint16_t>(upper - 2), "node at");
    expect(slot(page, 1), std::uint16_t{0}, "node at 0");
    expect(slot(page, 1), std::uint16_t{4090}, "node at 4090");
    expect(slot(page, 1), std::uint16_t{0xFFFE}, "node at 65534");
    const std::size_t last = slot_count(page) - 1;
    expect(slot(page, last), image_.get<std::uint16_t>(slot(page, last - 1)),
           "nodes follow one another");
  }
}

TEST_F(LmdbDamage, OfSizesOfNodes) {
  for (const std::size_t page : {root_, leaf_, free_leaf_}) {
    expect(node(page, 1) + 6, std::uint16_t{0}, "key size is 0");
    expect(node(page, 1) + 6, std::uint16_t{512}, "key size is 512");
  }
  expect(node(free_leaf_, 1) + 6, std::uint16_t{7}, "key size is 7");
  const std::size_t lowest = leaf_ + image_.get<std::uint16_t>(leaf_ + 14);
  expect(lowest, std::uint16_t{2038 - 8 - 25 + 1}, "size is 2039");
  expect(lowest, std::uint32_t{0xFFFFFFFF}, "size is");
  expect(lowest, std::uint16_t{102}, "nodes follow one another");
  expect(lowest, std::uint16_t{98}, "nodes follow one another");
  expect(lowest + 6, std::uint16_t{27}, "nodes follow one another");
}

TEST_F(LmdbDamage, OfFlagsOfNodes) {
  expect(node(leaf_, 0) + 4, std::uint16_t{2}, "a node's kind is 2");  // a named database
  expect(node(leaf_, 0) + 4, std::uint16_t{4}, "a node's kind is 4");  // duplicates
  expect(node(leaf_, 0) + 4, std::uint16_t{0x8000}, "a node's kind is");
}

TEST_F(LmdbDamage, OfTheOrderOfKeys) {
  const auto key = [&](std::size_t page, std::size_t index) { return node(page, index) + 8 + 8; };
  const auto first = image_.get<std::uint64_t>(key(leaf_, 0));
  const auto second = image_.get<std::uint64_t>(key(leaf_, 1));
  expect(key(leaf_, 1), first, "not above the one before");
  expect(key(leaf_, 2), std::uint64_t{0}, "not above the one before");
  expect(key(leaf_, 0), std::uint64_t{0}, "another page's");
  expect(key(leaf_, slot_count(leaf_) - 1), ~std::uint64_t{0}, "another page's");
  expect(key(root_, 2), image_.get<std::uint64_t>(key(root_, 1)), "not above the one before");
  expect(key(root_, 1), second, "another page's");
  expect(key(free_leaf_, 1) - 8, image_.get<std::uint64_t>(key(free_leaf_, 0) - 8),
         "not above the one before");
}

TEST_F(LmdbDamage, OfChildren) {
  const auto last_page = image_.get<std::uint64_t>(meta_ + 136);
  expect(node(root_, 1), std::uint32_t{0}, "page 0 is beyond");
  expect(node(root_, 1), static_cast<std::uint32_t>(last_page + 1), "is beyond");
  expect(node(root_, 1) + 4, std::uint16_t{1}, "is beyond");  // the top of the number
  expect(node(root_, 1), static_cast<std::uint32_t>(root_ / kPage), "a second time");
  expect(node(root_, 1), image_.get<std::uint32_t>(node(root_, 0)), "a second time");
  expect(node(root_, 1), static_cast<std::uint32_t>(free_leaf_ / kPage), "another page's");
}

TEST_F(LmdbDamage, OfOverflowPages) {
  const auto [leaf, index] = big_value();
  const auto first = image_.get<std::uint64_t>(data(leaf, index));
  const std::size_t page = first * kPage;
  ASSERT_EQ(image_.get<std::uint32_t>(page + 12), 3U);
  expect(data(leaf, index), std::uint64_t{1}, "page 1 is beyond");
  expect(data(leaf, index), first + 1, "expected kind 4");
  expect(data(leaf, index), std::uint64_t{leaf / kPage}, "a second time");
  expect(data(leaf, index), ~std::uint64_t{0}, "is beyond");
  expect(page, first + 1, "expected kind 4");
  expect(page + 10, std::uint16_t{0x14}, "of kind 20");
  expect(page + 12, std::uint32_t{2}, "has 2 pages, 9000 bytes take 3");
  expect(page + 12, std::uint32_t{0}, "has 0 pages");
  expect(page + 12, std::uint32_t{0xFFFFFFFF}, "page");
  expect(node(leaf, index), std::uint32_t{3 * kPage - 15}, "has 3 pages, 12273 bytes take 4");
  Image image = image_;
  image.put(node(leaf, index), std::uint32_t{3 * kPage - 16});
  EXPECT_TRUE(is_sound(image));  // no more than its pages have: a row's hash finds it
}

TEST_F(LmdbDamage, OfFreeLists) {
  const std::size_t list = data(free_leaf_, slot_count(free_leaf_) - 1);
  const auto count = image_.get<std::uint64_t>(list);
  ASSERT_GT(count, 1U);
  const auto newest = image_.get<std::uint64_t>(meta_ + 144);
  expect(list - 8, newest + 1, "free pages of transaction " + std::to_string(newest + 1));
  expect(data(free_leaf_, 0) - 8, std::uint64_t{0}, "free pages of transaction 0");
  expect(list, count + 100, std::to_string(count + 100) + " free pages");
  expect(list, ~std::uint64_t{0}, "free pages");
}

TEST_F(LmdbDamage, OfTheNumbersInFreeLists) {
  const std::size_t list = data(free_leaf_, slot_count(free_leaf_) - 1);
  const auto count = image_.get<std::uint64_t>(list);
  const auto last_page = image_.get<std::uint64_t>(meta_ + 136);
  expect(list + 8, last_page + 1, "is not below");
  expect(list + 16, image_.get<std::uint64_t>(list + 8), "is not below");
  expect(list + 8 * count, std::uint64_t{1}, "page 1 is beyond");
  expect(list + 8 * count, std::uint64_t{0}, "page 0 is beyond");
  // In use, and free since two transactions.
  for (const std::uint64_t page :
       {std::uint64_t{leaf_ / kPage}, image_.get<std::uint64_t>(data(free_leaf_, 0) + 8)}) {
    Image image = image_;
    image.put(list, std::uint64_t{1});
    image.put(list + 8, page);
    expect_damaged(image, "page " + std::to_string(page) + " is used or free a second time");
  }
}

TEST_F(LmdbDamage, LostPagesHarmNobody) {
  Image image = image_;
  const std::size_t list = data(free_leaf_, 0);
  image.put(list, std::uint64_t{0});
  expect_sound(image);
}

// --- errors and cuts ---

TEST(LmdbCheck, ErrorsAreThoseOfReading) {
  const Image& image = lived_image();
  ASSERT_TRUE(is_sound(image));
  for (const std::size_t page : image.pages_read) {
    Image failing = image;
    failing.failing_position = page * kPage;
    const auto checked = check_lmdb_file(failing, LmdbCheckDepth::kAllPages);
    EXPECT_THAT(checked, FailsWith(ErrorCode::KAFKA_STORAGE_ERROR, "read at")) << page;
  }
}

TEST(LmdbCheck, AFileThatShrinksMeanwhileIsDamaged) {
  Image image = lived_image();
  image.claimed_bytes = std::ssize(image.bytes);
  image.bytes.resize(image.bytes.size() / 2 + 100);
  EXPECT_THAT(check_lmdb_file(image, LmdbCheckDepth::kAllPages)->reason,
              HasSubstr("file ends within page"));
}

TEST(LmdbCheck, EveryCutIsFound) {
  const Image& whole = lived_image();
  std::vector<std::size_t> cuts{1, 15, 16, 20, 24, 151, 152, 4097, 4096 + 151, 4096 + 152};
  for (std::size_t end = 512; end < whole.bytes.size(); end += 512) cuts.push_back(end);
  for (const std::size_t end : cuts) {
    const Image cut({whole.bytes.begin(), whole.bytes.begin() + static_cast<std::ptrdiff_t>(end)});
    for (const auto depth : {LmdbCheckDepth::kMetas, LmdbCheckDepth::kAllPages}) {
      ASSERT_EQ(check(cut, depth).verdict, LmdbVerdict::kDamaged) << end;
    }
  }
}

// --- what is found sound, LMDB survives ---

constexpr int kUsed = 0;
constexpr int kRefused = 40;  ///< LMDB answered an error, which is its right

/// Reads all rows both ways and by key.
std::vector<std::string> read_all(Store& store) {
  MDB_txn* txn = nullptr;
  MDB_dbi dbi = 0;
  MDB_cursor* cursor = nullptr;
  require(mdb_txn_begin(store.env(), nullptr, MDB_RDONLY, &txn));
  require(mdb_dbi_open(txn, nullptr, 0, &dbi));
  require(mdb_cursor_open(txn, dbi, &cursor));
  std::vector<std::string> keys;
  MDB_val key{};
  MDB_val value{};
  std::size_t sum = 0;
  while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == MDB_SUCCESS) {
    keys.emplace_back(static_cast<const char*>(key.mv_data), key.mv_size);
    const auto* bytes = static_cast<const unsigned char*>(value.mv_data);
    for (std::size_t i = 0; i < value.mv_size; ++i) sum += bytes[i];
  }
  volatile std::size_t seen = sum;  // the reads are not left out
  static_cast<void>(seen);
  while (mdb_cursor_get(cursor, &key, &value, MDB_PREV) == MDB_SUCCESS) continue;
  mdb_cursor_close(cursor);
  for (const std::string& each : keys) {
    key = view(each);
    require(mdb_get(txn, dbi, &key, &value));
  }
  mdb_txn_abort(txn);
  return keys;
}

/// What a store does with its file: reads, puts, deletes, commits. One in four empties it and fills
/// it again, over all pages that were free.
void use(const std::string& path, std::uint64_t seed) {
  Random random(seed);
  Store store(path);
  const std::vector<std::string> keys = read_all(store);
  for (int i = 0; i < 3; ++i) {
    store.commit([&](MDB_txn* txn, MDB_dbi dbi) {
      for (std::size_t row = 0; row < 150; ++row) {
        const bool is_old = !keys.empty() && below(random, 3) != 0;
        const std::string key = is_old ? keys[below(random, keys.size())] : random_key(random);
        if (below(random, 2) == 0)
          Store::remove(txn, dbi, key);
        else
          Store::put(txn, dbi, key, random_value(random));
      }
    });
  }
  if (seed % 4 != 0) return;
  const auto drain = [&](std::size_t rows) {
    store.commit([&](MDB_txn* txn, MDB_dbi dbi) { Store::remove_from(txn, dbi, "\x01", rows); });
  };
  drain(keys.size() / 2);
  drain(keys.size() + 1000);
  for (int i = 0; i < 2; ++i) live(store, random, 800);
}

/// How a process ends that uses this file.
int status_after_use(const Image& image, const std::string& path, std::uint64_t seed) {
  write_image(path, image);
  const pid_t child = ::fork();
  if (child < 0) throw std::runtime_error("fork");
  if (child == 0) {
    ::alarm(120);
    try {
      use(path, seed);
      ::_exit(kUsed);
    } catch (const std::exception&) {
      ::_exit(kRefused);
    }
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/// Damages a lived store `count` times and lets LMDB use what is found sound.
void expect_no_crash(const std::string& name, std::uint64_t count,
                     const std::function<void(Image&, Random&)>& damage) {
  const test::TempDir dir(test::memory_directory());
  const Image& whole = lived_image();
  std::uint64_t found_count = 0;
  std::uint64_t refused_count = 0;
  for (std::uint64_t seed = 0; seed < count; ++seed) {
    Random random(seed);
    Image image = whole;
    damage(image, random);
    if (!is_sound(image)) {
      ++found_count;
      continue;
    }
    EXPECT_EQ(check(image, LmdbCheckDepth::kMetas).verdict, LmdbVerdict::kSound);
    const int status = status_after_use(image, dir.file("state"), seed);
    EXPECT_THAT(status, AnyOf(kUsed, kRefused)) << name << ", seed " << seed;
    refused_count += status == kRefused ? 1 : 0;
  }
  std::cout << name << ": of " << count << " found " << found_count << ", harmless "
            << count - found_count - refused_count << ", refused by LMDB " << refused_count << '\n';
  EXPECT_GT(found_count, 0U);
  EXPECT_EQ(refused_count, 0U);
}

/// One of the pages in use, the meta pages among them; now and then any other.
std::size_t random_page(Random& random) {
  static const std::vector<std::size_t> kInUse = [] {
    const Image image = lived_image();
    EXPECT_TRUE(is_sound(image));
    return std::vector<std::size_t>(image.pages_read.begin(), image.pages_read.end());
  }();
  const std::size_t pages = lived_image().bytes.size() / kPage;
  return kPage *
         (below(random, 16) == 0 ? below(random, pages) : kInUse[below(random, kInUse.size())]);
}

TEST(LmdbCheckCrash, TheUnharmedStoreIsUsed) {
  const test::TempDir dir(test::memory_directory());
  EXPECT_EQ(status_after_use(lived_image(), dir.file("state"), 0), kUsed);
}

TEST(LmdbCheckCrash, AFlippedBitAnywhere) {
  expect_no_crash("bits anywhere", 600, [](Image& image, Random& random) {
    image.flip(random_page(random) + below(random, kPage), below(random, 8));
  });
}

TEST(LmdbCheckCrash, AFlippedBitInAPagesHead) {
  expect_no_crash("bits in heads", 1200, [](Image& image, Random& random) {
    const std::size_t page = random_page(random);
    const std::size_t head_bytes = page < 2 * kPage ? 152 : 16 + 48 * below(random, 2);
    image.flip(page + below(random, head_bytes), below(random, 8));
  });
}

TEST(LmdbCheckCrash, AFlippedBitInANodesHeadOrFirstBytes) {
  expect_no_crash("bits in nodes", 1600, [](Image& image, Random& random) {
    const std::size_t page = random_page(random);
    const auto lower = image.get<std::uint16_t>(page + 12);
    const std::size_t slots = lower > 16 && lower < kPage ? (lower - std::size_t{16}) / 2 : 1;
    const auto node = image.get<std::uint16_t>(page + 16 + 2 * below(random, slots));
    image.flip(page + std::min(node + below(random, 12), kPage - 1), below(random, 8));
  });
}

TEST(LmdbCheckCrash, SomeFlippedBitsOfOnePage) {
  expect_no_crash("bits of one page", 400, [](Image& image, Random& random) {
    const std::size_t page = random_page(random);
    for (std::size_t i = 0; i < 3; ++i) {
      image.flip(page + below(random, i == 0 ? kPage : 64), below(random, 8));
    }
  });
}

TEST(LmdbCheckCrash, ATornOrMisplacedSector) {
  expect_no_crash("sectors", 400, [](Image& image, Random& random) {
    const auto sector = [&](std::size_t page, std::size_t index) {
      return image.bytes.begin() + static_cast<std::ptrdiff_t>(page + index * 512);
    };
    const auto to = sector(random_page(random), below(random, 8));
    if (below(random, 2) == 0)
      std::fill_n(to, 512, std::byte{0});
    else
      std::copy_n(sector(random_page(random), below(random, 8)), 512, to);
  });
}

TEST(LmdbCheckCrash, APageInAnothersPlace) {
  expect_no_crash("pages", 400, [](Image& image, Random& random) {
    const std::size_t to = random_page(random);
    const auto number = image.get<std::uint64_t>(to);
    std::copy_n(image.bytes.begin() + static_cast<std::ptrdiff_t>(random_page(random)), kPage,
                image.bytes.begin() + static_cast<std::ptrdiff_t>(to));
    if (below(random, 2) == 0) image.put(to, number);
  });
}

TEST(LmdbCheckCrash, SectorsAndPagesThatMissTheLastCommit) {
  const Image before = image_after(11);
  expect_no_crash("lost writes", 600, [&](Image& image, Random& random) {
    const std::size_t bytes = below(random, 2) == 0 ? 512 : kPage;
    for (std::size_t i = below(random, 4) + 1; i > 0; --i) {
      const std::size_t begin = random_page(random) + below(random, kPage / bytes) * bytes;
      for (std::size_t at = begin; at < begin + bytes; ++at) {
        image.bytes[at] = at < before.bytes.size() ? before.bytes[at] : std::byte{0};
      }
    }
  });
}

// --- visiting rows ---

struct Visited {
  std::vector<std::string> keys{};
  std::vector<std::string> damage{};
  LmdbVerdict verdict = LmdbVerdict::kSound;
};

Visited visit(const Image& image, std::size_t rows_max = ~std::size_t{0}) {
  Visited visited;
  const auto checked = visit_lmdb_rows(image, {.row =
                                                   [&](const LmdbRow& row) {
                                                     visited.keys.emplace_back(as_text(row.key));
                                                     return visited.keys.size() < rows_max;
                                                   },
                                               .damage =
                                                   [&](const LmdbCheck& damage) {
                                                     visited.damage.push_back(damage.reason);
                                                     return true;
                                                   }});
  EXPECT_THAT(checked, test::Succeeds());
  if (checked) visited.verdict = checked->verdict;
  return visited;
}

/// So many rows that there are branch pages, none of them on overflow pages.
const Image& rows_image() {
  static const Image kImage = image_of([](Store& store) {
    store.commit([](MDB_txn* txn, MDB_dbi dbi) {
      for (int i = 1000; i < 1400; ++i) {
        Store::put(txn, dbi, std::to_string(i), std::string(60, 'v'));
      }
    });
  });
  return kImage;
}

TEST(LmdbVisit, ShowsEveryRowOnceInOrder) {
  const Visited visited = visit(rows_image());
  ASSERT_EQ(visited.keys.size(), 400U);
  EXPECT_EQ(visited.keys.front(), "1000");
  EXPECT_TRUE(std::ranges::is_sorted(visited.keys));
  EXPECT_THAT(visited.damage, IsEmpty());
  EXPECT_EQ(visited.verdict, LmdbVerdict::kSound);
  EXPECT_THAT(visit(Image({})).keys, IsEmpty());
}

TEST(LmdbVisit, GoesOnBesideADamagedPage) {
  Image image = rows_image();
  // The first leaf: what kind of page it is.
  for (std::size_t page = 2; page * kPage < image.bytes.size(); ++page) {
    if (image.get<std::uint16_t>(page * kPage + 10) != 0x02) continue;
    image.flip(page * kPage + 10, 5);
    break;
  }
  const Visited visited = visit(image);
  EXPECT_GT(visited.keys.size(), 200U);
  EXPECT_LT(visited.keys.size(), 400U);
  EXPECT_EQ(visited.damage.size(), 1U);
  EXPECT_EQ(visited.verdict, LmdbVerdict::kDamaged);
}

TEST(LmdbVisit, EndsWhereItIsTold) {
  const Visited visited = visit(rows_image(), 3);
  EXPECT_EQ(visited.keys.size(), 3U);
  EXPECT_EQ(visited.verdict, LmdbVerdict::kSound);
  EXPECT_THAT(visited.damage, IsEmpty());
}

TEST(LmdbVisit, LargeRowsAreToldOf) {
  const Visited visited = visit(image_of([](Store& store) {
    store.put("a", "value");
    store.put("b", std::string(5000, 'v'));
    store.put("c", "value");
  }));
  EXPECT_THAT(visited.keys, testing::ElementsAre("a", "c"));
  EXPECT_EQ(visited.damage.size(), 1U);
}

TEST(LmdbVisit, DamageOfMetaPagesIsInTheAnswer) {
  Image image = rows_image();
  image.flip(16, 3);
  const Visited visited = visit(image);
  EXPECT_THAT(visited.keys, IsEmpty());
  EXPECT_EQ(visited.verdict, LmdbVerdict::kDamaged);
}

}  // namespace
}  // namespace oncelog::snapshot
