// What a loss of power may leave, rule by rule of io.h.
#include "sim/crash_image.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <set>

#include "support/matchers.h"

namespace oncelog::sim {
namespace {

using test::FailsWith;
using test::value_of;

constexpr std::int64_t kSector = 512;

class CrashImageTest : public testing::Test {
 protected:
  CrashImageTest() : file_(state_.create(false, 0)) {
    state_.change(LinkChange{kRootInode, "f", file_, {}}, 0);
    state_.sync(kRootInode);
  }
  void write(std::int64_t position, std::int64_t bytes, char letter) {
    state_.change(
        WriteChange{file_, position, Content(static_cast<std::size_t>(bytes), std::byte(letter))},
        0);
  }
  /// The file's text after a loss of power.
  [[nodiscard]] std::string left(const std::string& choice,
                                 const DevicePromises& device = {}) const {
    const DiskState after = lose_power(state_, value_of(parse_choice(choice)), device);
    const auto found = after.find("/f");
    return found ? std::string(as_text(after.at(*found).cached)) : "gone";
  }
  /// All that torn fates may leave.
  [[nodiscard]] std::set<std::string> torn(const std::string& fates,
                                           const DevicePromises& device = {}) const {
    std::set<std::string> all;
    for (int seed = 0; seed < 400; ++seed) {
      all.insert(left(fates + " seed " + std::to_string(seed), device));
    }
    return all;
  }

  DiskState state_;
  InodeNumber file_;
};

TEST_F(CrashImageTest, SyncedBytesSurviveAndTheOthersAsChosen) {
  write(0, 2, 'a');
  state_.sync(file_);
  write(2, 2, 'b');
  write(4, 2, 'c');
  EXPECT_EQ(left("-- seed 0"), "aa");
  EXPECT_EQ(left("++ seed 0"), "aabbcc");
  EXPECT_EQ(left("+- seed 0"), "aabb");
  EXPECT_EQ(left("-+ seed 0"), std::string("aa\0\0cc", 6)) << "in any order";
  EXPECT_EQ(left("+ seed 0"), "aabb") << "what has no fate is lost";
}

TEST_F(CrashImageTest, LengthMayGrowWithoutData) {
  write(0, 2, 'a');
  state_.sync(file_);
  write(1, 3, 'b');
  EXPECT_EQ(left("0 seed 0"), std::string("aa\0\0", 4));
  EXPECT_EQ(left("0 seed 0", {.is_append_safe = true}), "aa");
}

TEST_F(CrashImageTest, AWriteMayBeCutShort) {
  write(0, 6, 'a');
  EXPECT_EQ(left("/ seed 0"), "aaa");
}

TEST_F(CrashImageTest, AWriteIsTornAtSectors) {
  write(0, 2 * kSector, 'a');
  state_.sync(file_);
  write(100, 2 * kSector, 'b');
  const auto all = torn("~");
  const std::string a(static_cast<std::size_t>(2 * kSector), 'a');
  std::string first = a;
  first.replace(100, 412, 412, 'b');
  EXPECT_TRUE(all.contains(a));
  EXPECT_TRUE(all.contains(first)) << "the first sector only";
  bool has_garbage = false;
  for (const std::string& one : all) {
    EXPECT_EQ(one.substr(0, 100), std::string(100, 'a')) << "synced, and not written again";
    has_garbage |= one.find_first_not_of(std::string("ab\0", 3)) != std::string::npos;
  }
  EXPECT_TRUE(has_garbage);
}

TEST_F(CrashImageTest, AnAtomicSectorIsOldOrNew) {
  write(0, 2 * kSector, 'a');
  state_.sync(file_);
  write(0, 2 * kSector, 'b');
  const auto all = torn("~", {.is_sector_atomic = true});
  EXPECT_EQ(all.size(), 4u);
  for (const std::string& one : all) {
    EXPECT_EQ(one.find_first_not_of("ab"), std::string::npos);
    EXPECT_EQ(one.substr(0, kSector), std::string(kSector, one.front()));
  }
}

TEST_F(CrashImageTest, ASafeAppendLeavesNoHole) {
  write(0, 4 * kSector, 'b');
  for (const std::string& one : torn("~", {.is_sector_atomic = true, .is_append_safe = true})) {
    EXPECT_EQ(one.find_first_not_of('b'), std::string::npos) << one.size();
  }
  EXPECT_TRUE(std::ranges::any_of(torn("~", {.is_sector_atomic = true}), [](const auto& one) {
    return one.find('\0') != std::string::npos;
  }));
}

TEST_F(CrashImageTest, ARenameMayComeBeforeItsData) {
  const InodeNumber aside = state_.create(false, 0);
  state_.change(LinkChange{kRootInode, "f.tmp", aside, {}}, 0);
  state_.change(WriteChange{aside, 0, Content(3, std::byte('n'))}, 0);
  state_.change(LinkChange{kRootInode, "f", aside, std::pair(kRootInode, std::string("f.tmp"))}, 0);
  EXPECT_EQ(left("--- seed 0"), "") << "the old one";
  EXPECT_EQ(left("--+ seed 0"), "") << "the new one, without a byte";
  EXPECT_EQ(left("-++ seed 0"), "nnn");
  EXPECT_EQ(left("--+ seed 0", {.is_rename_after_data = true}), "nnn");
  const DiskState after = lose_power(state_, value_of(parse_choice("+++ seed 0")), {});
  EXPECT_EQ(after.at(kRootInode).cached_names.size(), 1u) << "the old name went in the same step";
}

TEST_F(CrashImageTest, RemovedAndCreatedNamesMayComeBackOrBeMissing) {
  write(0, 1, 'a');
  state_.sync(file_);
  state_.change(UnlinkChange{kRootInode, "f"}, 0);
  EXPECT_EQ(left("- seed 0"), "a");
  EXPECT_EQ(left("+ seed 0"), "gone");
  const InodeNumber second = state_.create(false, 0);
  state_.change(LinkChange{kRootInode, "f", second, {}}, 0);
  EXPECT_EQ(left("-- seed 0"), "a");
  EXPECT_EQ(left("+- seed 0"), "gone");
  EXPECT_EQ(left("-+ seed 0"), "");
}

TEST_F(CrashImageTest, ChoicesAreText) {
  for (const std::string text : {"- seed 0", "+-~0/ seed 7", "~~ seed 18446744073709551615"}) {
    EXPECT_EQ(print_choice(value_of(parse_choice(text))), text);
  }
  for (const std::string_view text : {"", "+", "+ seed", "+ seed x", "+ seed 1x", "x seed 1",
                                      " seed 1", "+ seed -1", "+seed 1"}) {
    EXPECT_THAT(parse_choice(text), FailsWith(ErrorCode::INVALID_CONFIG)) << text;
  }
}

TEST_F(CrashImageTest, FewChangesHaveEverySubset) {
  for (int i = 0; i < 4; ++i) write(i * 10, 10, static_cast<char>('a' + i));
  std::set<std::string> seen;
  for (const CrashChoice& choice : choose_images(state_, {})) {
    seen.insert(print_choice({choice.fates, 0}));
  }
  for (int subset = 0; subset < 16; ++subset) {
    std::string fates;
    for (int i = 0; i < 4; ++i) fates += (subset >> i & 1) != 0 ? '+' : '-';
    EXPECT_TRUE(seen.contains(fates + " seed 0")) << fates;
  }
  EXPECT_TRUE(seen.contains("++0- seed 0"));
  EXPECT_TRUE(seen.contains("++~- seed 0"));
  EXPECT_TRUE(seen.contains("++/- seed 0"));
}

TEST_F(CrashImageTest, ManyChangesHaveTheirPrefixesAndNoChoiceTwice) {
  for (int i = 0; i < 30; ++i) write(i * 10, 10, 'a');
  const auto choices = choose_images(state_, {.subset_count = 5, .torn_count = 5});
  for (std::size_t kept = 0; kept <= 30; ++kept) {
    CrashChoice prefix{std::vector<Fate>(kept, Fate::kKept), 0};
    prefix.fates.resize(30, Fate::kLost);
    EXPECT_TRUE(std::ranges::find(choices, prefix) != choices.end()) << kept;
  }
  for (std::size_t i = 0; i < choices.size(); ++i) {
    EXPECT_TRUE(std::find(choices.begin(), choices.begin() + static_cast<std::ptrdiff_t>(i),
                          choices[i]) == choices.begin() + static_cast<std::ptrdiff_t>(i));
  }
  EXPECT_EQ(choices, choose_images(state_, {.subset_count = 5, .torn_count = 5})) << "by the seed";
}

TEST_F(CrashImageTest, NothingUnsyncedHasOneImage) {
  EXPECT_EQ(choose_images(state_, {}).size(), 1u);
}

}  // namespace
}  // namespace oncelog::sim
