#include "inspect/schema_reader.h"

#include <gmock/gmock.h>

#include <array>

#include "support/batches.h"

namespace oncelog::inspect {
namespace {

using test::from_hex;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::array kInner{FieldSchema{"number", FieldType::kInt32}};
constexpr std::array<FieldSchema, 5> kFields{{
    {.name = "text", .type = FieldType::kString},
    {.name = "later", .type = FieldType::kInt16, .since = 1},
    {.name = "inner", .type = FieldType::kStruct, .is_array = true, .fields = kInner},
    {.name = "bytes", .type = FieldType::kBytes, .is_nullable = true},
    {.name = "tagged", .type = FieldType::kInt16, .since = 2, .tag = 1},
}};
constexpr MessageSchema kSchema{kFields, 2, 2};

ReadMessage read(std::int16_t version, std::string_view hex) {
  const auto bytes = from_hex(hex);
  return read_message(kSchema, version, bytes);
}

TEST(SchemaReader, FieldsFollowTheVersion) {
  EXPECT_THAT(read(0, "000161 00000000 ffffffff").fields, SizeIs(3));
  EXPECT_THAT(read(1, "000161 0007 00000000 ffffffff").fields, SizeIs(4));
  EXPECT_THAT(read(0, "000161 0007 00000000 ffffffff").problem, Not(IsEmpty()));
}

TEST(SchemaReader, ReadsArraysOfStructs) {
  const auto message = read(0, "0000 00000002 00000005 00000006 00000001 ff");
  ASSERT_THAT(message.problem, IsEmpty());
  const auto& list = std::get<FieldList>(message.fields[1].value.value);
  ASSERT_THAT(list, SizeIs(2));
  const auto& inner = std::get<Fields>(list[1].value);
  EXPECT_EQ(std::get<std::int64_t>(inner[0].value.value), 6);
}

TEST(SchemaReader, FlexibleVersionsHaveCompactLengthsAndTags) {
  // "a", 7, one inner with no tags, null, then tags 1 and 9.
  const auto message = read(2, "0261 0007 02 00000005 00 00 02 01 02 0003 09 01 aa");
  ASSERT_THAT(message.problem, IsEmpty());
  ASSERT_THAT(message.fields, SizeIs(6));
  EXPECT_EQ(std::get<std::int64_t>(message.fields[4].value.value), 3);
  EXPECT_EQ(message.fields[5].name, "unknown_tags");
}

TEST(SchemaReader, ATagThatIsTooShortOrTooLongIsRefused) {
  EXPECT_THAT(read(2, "01 0007 01 00 01 01 03 0003aa").problem, HasSubstr("longer"));
  EXPECT_THAT(read(2, "01 0007 01 00 01 01 01 00").problem, HasSubstr("tagged"));
  EXPECT_THAT(read(2, "01 0007 01 00 01 01 7f 0003").problem, HasSubstr("longer than what"));
}

TEST(SchemaReader, LengthsAreNotBelieved) {
  EXPECT_THAT(read(0, "7fff").problem, HasSubstr("32767 bytes, 0 are left"));
  EXPECT_THAT(read(0, "0000 7fffffff 00").problem, HasSubstr("2147483647 elements in 1 bytes"));
  EXPECT_THAT(read(0, "0000 00000000 7fffffff").problem, HasSubstr("bytes"));
  EXPECT_THAT(read(0, "0000 00000000 fffffffe").problem, HasSubstr("length -2"));
  EXPECT_THAT(read(2, "ffffffff0f").problem, HasSubstr("4294967294 bytes"));
  EXPECT_THAT(read(2, "ffffffffff").problem, HasSubstr("broken off"));
}

TEST(SchemaReader, NullIsOnlyWhereItMayBe) {
  EXPECT_THAT(read(0, "ffff 00000000 ffffffff").problem, HasSubstr("text"));
  EXPECT_THAT(read(0, "0000 ffffffff ffffffff").problem, HasSubstr("inner"));
}

TEST(SchemaReader, SaysWhereItEndedAndWhatIsLeft) {
  EXPECT_THAT(read(0, "").problem, HasSubstr("at byte 0, text"));
  EXPECT_THAT(read(0, "000161 000000").problem, HasSubstr("at byte 3, inner"));
  EXPECT_THAT(read(0, "0000 00000000 ffffffff 0102").problem, HasSubstr("2 more bytes"));
}

}  // namespace
}  // namespace oncelog::inspect
