// scrub_test.cc: damage that neither an append nor a fetch would see.
#include <gmock/gmock.h>

#include "support/log_fixture.h"

namespace oncelog::test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

class ScrubTest : public LogFixture {
 protected:
  ScrubTest() {
    store_options_.sealed_segment_bytes_min = 0;
    options_.config.segment_bytes = 400;
    options_.config.index_interval_bytes = 100;
  }
  void fill() {
    open();
    while (log_->segments().size() < 4) append({.value_bytes = 30});
    append({.value_bytes = 30});
    ASSERT_THAT(log_->flush(), Succeeds());
  }
  [[nodiscard]] std::vector<ScrubFinding> findings() const {
    return value_of(log_->scrub()).findings;
  }
};

TEST_F(ScrubTest, ReadsEveryByteAndFindsNothingWhereNothingIsWrong) {
  fill();
  const ScrubReport report = value_of(log_->scrub());
  EXPECT_THAT(report.findings, IsEmpty());
  EXPECT_EQ(report.segments, std::ssize(log_->segments()));
  std::int64_t bytes = 0;
  for (const auto& [name, content] : directory_content(directory())) {
    if (name.ends_with(".log") || name.ends_with("index")) bytes += std::ssize(content);
  }
  EXPECT_GE(report.bytes, bytes - 200) << "all but the active segment's indexes";
  close_and_open();
  EXPECT_THAT(findings(), IsEmpty());
}

TEST_F(ScrubTest, EachFlippedByteOfALogIsFoundInItsFile) {
  fill();
  for (const Offset base : log_->segments()) {
    const std::string path = log_path(base.value());
    const std::string sound = read_text(path);
    for (std::size_t i = 0; i < sound.size(); ++i) {
      flip_byte(path, i);
      const auto found = findings();
      ASSERT_EQ(found.size(), 1u) << path << " byte " << i;
      ASSERT_EQ(found[0].file, path) << i;
      ASSERT_LE(found[0].position, static_cast<std::int64_t>(i));
      ASSERT_LE(found[0].begin, found[0].end);
      write_text(path, sound);
    }
  }
  EXPECT_THAT(findings(), IsEmpty());
}

TEST_F(ScrubTest, EachFlippedByteBesideASealedLogIsFoundInItsFile) {
  fill();
  const std::string base = "00000000000000000000";
  for (const std::string suffix : {".index", ".timeindex", ".seal"}) {
    const std::string path = directory() + "/" + base + suffix;
    const std::string sound = read_text(path);
    ASSERT_FALSE(sound.empty());
    for (std::size_t i = 0; i < sound.size(); ++i) {
      flip_byte(path, i);
      const auto found = findings();
      ASSERT_EQ(found.size(), 1u) << path << " byte " << i;
      ASSERT_EQ(found[0].file, path);
      ASSERT_NE(found[0].safe_action, "");
      write_text(path, sound);
    }
  }
}

TEST_F(ScrubTest, ABatchThatIsCutShortIsNamedByItsPositionAndOffsets) {
  fill();
  const std::string path = log_path(0);
  const std::string sound = read_text(path);
  const std::size_t second = make_batch({.value_bytes = 30}).size();
  write_text(path, sound.substr(0, second + 50));
  const auto found = findings();
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].position, static_cast<std::int64_t>(second));
  EXPECT_EQ(found[0].begin, Offset(1));
  EXPECT_EQ(found[0].end, log_->segments().at(1));
  EXPECT_THAT(found[0].safe_action, HasSubstr("replica"));
}

TEST_F(ScrubTest, AClosedLogIsNotScrubbed) {
  fill();
  ASSERT_THAT(store_->close(), Succeeds());
  EXPECT_THAT(log_->scrub(), FailsWith(ErrorCode::MISUSE));
}

}  // namespace
}  // namespace oncelog::test
