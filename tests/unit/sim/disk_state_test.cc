// What reads show, what is stored, and the list between the two.
#include "sim/disk_state.h"

#include <gmock/gmock.h>

namespace oncelog::sim {
namespace {

using testing::ElementsAre;

Content content_of(std::string_view text) {
  const Bytes bytes = as_bytes(text);
  return {bytes.begin(), bytes.end()};
}

class DiskStateTest : public testing::Test {
 protected:
  InodeNumber make(const std::string& name, InodeNumber in = kRootInode,
                   bool is_directory = false) {
    const InodeNumber made = state_.create(is_directory, 7);
    state_.change(LinkChange{in, name, made, {}}, 7);
    return made;
  }
  void write(InodeNumber file, std::int64_t position, std::string_view text) {
    state_.change(WriteChange{file, position, content_of(text)}, 8);
  }
  [[nodiscard]] std::string cached(InodeNumber file) const {
    return std::string(as_text(state_.at(file).cached));
  }
  [[nodiscard]] std::string stored(InodeNumber file) const {
    return std::string(as_text(state_.at(file).stored));
  }

  DiskState state_;
};

TEST_F(DiskStateTest, PathsAreFollowed) {
  const InodeNumber directory = make("d", kRootInode, true);
  const InodeNumber file = make("f", directory);
  EXPECT_EQ(state_.find("/d/f"), file);
  EXPECT_EQ(state_.find("d//./f"), file);
  EXPECT_EQ(state_.find("/d/../d/f"), file);
  EXPECT_EQ(state_.find("/../.."), kRootInode);
  EXPECT_EQ(state_.find("/d/f/.."), directory);
  EXPECT_EQ(state_.find("/f"), std::nullopt);
  EXPECT_EQ(state_.find_parent("/d/new"), std::pair(directory, std::string("new")));
  EXPECT_EQ(state_.find_parent("/none/new"), std::nullopt);
  EXPECT_EQ(state_.find_parent("/d/f/new"), std::nullopt) << "a file is no directory";
  EXPECT_EQ(state_.path_of(file), "/d/f");
}

TEST_F(DiskStateTest, ChangesAreSeenAtOnceAndStoredByTheSyncOfTheirInode) {
  const InodeNumber file = make("f");
  write(file, 0, "hello");
  write(file, 7, "x");
  EXPECT_EQ(cached(file), std::string("hello\0\0x", 8));
  EXPECT_EQ(stored(file), "");
  state_.sync(file);
  EXPECT_EQ(stored(file), std::string("hello\0\0x", 8));
  EXPECT_EQ(state_.unsynced().size(), 1u) << "its name";
  EXPECT_TRUE(state_.at(kRootInode).stored_names.empty());
  state_.sync(kRootInode);
  EXPECT_TRUE(state_.unsynced().empty());
  EXPECT_TRUE(state_.at(kRootInode).stored_names.contains("f"));
  EXPECT_EQ(state_.at(file).modified_ms, 8);
}

TEST_F(DiskStateTest, ARenameIsStoredByEitherDirectory) {
  for (const bool by_old : {true, false}) {
    DiskState state = state_;
    const InodeNumber a = state.create(true, 0);
    const InodeNumber b = state.create(true, 0);
    const InodeNumber file = state.create(false, 0);
    state.change(LinkChange{a, "f", file, {}}, 0);
    state.sync(a);
    state.change(LinkChange{b, "g", file, std::pair(a, std::string("f"))}, 0);
    state.sync(by_old ? a : b);
    EXPECT_TRUE(state.at(a).stored_names.empty());
    EXPECT_EQ(state.at(b).stored_names.at("g"), file);
  }
}

TEST_F(DiskStateTest, AfterAFailedSyncReadsShowWhatTheDeviceHasNot) {
  const InodeNumber file = make("f");
  write(file, 0, "old");
  state_.sync(file);
  write(file, 0, "new");
  write(file, 3, "er");
  state_.fail_sync(file, 0);
  EXPECT_EQ(cached(file), "newer");
  EXPECT_EQ(stored(file), "old");
  state_.sync(file);
  EXPECT_EQ(stored(file), "old") << "the pages are taken for clean";
  state_.drop_cache(file, 1);
  EXPECT_EQ(cached(file), std::string("nld\0\0", 5)) << "from the position on, the length stays";
}

TEST_F(DiskStateTest, AFailedSyncMayStoreAPart) {
  const InodeNumber file = make("f");
  write(file, 0, "ab");
  write(file, 2, "cd");
  EXPECT_EQ(state_.count_unsynced(file), 2u);
  state_.fail_sync(file, 1);
  EXPECT_EQ(stored(file), "ab");
  EXPECT_EQ(state_.count_unsynced(file), 0u);
}

TEST_F(DiskStateTest, NamesWaitForTheNextSyncAfterAFailedOne) {
  make("f");
  make("g");
  state_.fail_sync(kRootInode, 1);
  EXPECT_EQ(state_.at(kRootInode).stored_names.size(), 1u);
  state_.sync(kRootInode);
  EXPECT_EQ(state_.at(kRootInode).stored_names.size(), 2u);
}

TEST_F(DiskStateTest, DroppedPagesKeepWhatIsStillToBeWritten) {
  const InodeNumber file = make("f");
  write(file, 0, "abc");
  state_.drop_cache(file, 0);
  EXPECT_EQ(cached(file), "abc");
}

TEST_F(DiskStateTest, WhatNoStoredNameLeadsToIsGoneAfterAStart) {
  const InodeNumber directory = make("d", kRootInode, true);
  const InodeNumber file = make("f", directory);
  write(file, 0, "abc");
  state_.sync(file);
  state_.sync(directory);
  EXPECT_FALSE(DiskState(state_.inodes()).find("/d/f")) << "the name of d was not synced";
  state_.sync(kRootInode);
  const DiskState started(state_.inodes());
  EXPECT_EQ(started.find("/d/f"), file);
  EXPECT_EQ(started.at(file).cached, content_of("abc"));
}

TEST_F(DiskStateTest, NumbersComeAgainIfTheyMay) {
  using enum DiskState::OldNumbers;
  const InodeNumber old = make("old");
  state_.sync(kRootInode);
  EXPECT_EQ(state_.at(state_.create(false, 7, kReused)).number, 3u) << "all numbers are in use";
  state_.change(UnlinkChange{kRootInode, "old"}, 7);
  const InodeNumber retired = make("retired");
  EXPECT_EQ(state_.at(retired).number, retired);
  const InodeNumber next = state_.create(false, 7, kReused);
  EXPECT_EQ(state_.at(next).number, state_.at(old).number);
  state_.change(LinkChange{kRootInode, "new", next, {}}, 7);

  // The removal is lost, the new name is not: never two files with one number.
  auto inodes = state_.inodes();
  make_change(inodes, state_.unsynced().back(), &Inode::stored, &Inode::stored_names);
  const DiskState both(inodes);
  EXPECT_EQ(both.at(old).number, old);
  EXPECT_EQ(both.at(next).number, next);
  state_.sync(kRootInode);
  EXPECT_EQ(DiskState(state_.inodes()).at(next).number, old);
}

TEST_F(DiskStateTest, WhatHasNoNameIsForgottenButWhatMayGetOneIsKept) {
  const InodeNumber file = make("f");
  state_.sync(kRootInode);
  state_.change(UnlinkChange{kRootInode, "f"}, 0);
  write(file, 0, "abc");
  state_.forget_nameless();
  EXPECT_TRUE(state_.inodes().contains(file)) << "the removal may be lost";
  state_.sync(kRootInode);
  state_.forget_nameless();
  EXPECT_FALSE(state_.inodes().contains(file));
  EXPECT_TRUE(state_.unsynced().empty());
}

TEST_F(DiskStateTest, ChangesHaveWords) {
  const InodeNumber file = make("f");
  write(file, 0, "abc");
  state_.change(ResizeChange{file, 1}, 0);
  state_.change(LinkChange{kRootInode, "g", file, std::pair(kRootInode, std::string("f"))}, 0);
  state_.change(UnlinkChange{kRootInode, "h"}, 0);
  std::vector<std::string> texts;
  for (const Change& one : state_.unsynced()) texts.push_back(state_.text_of(one));
  EXPECT_THAT(texts, ElementsAre("create /f", "write /g 3 bytes at 0", "resize /g to 1",
                                 "rename /f to /g", "remove /h"));
}

}  // namespace
}  // namespace oncelog::sim
