#include "inspect/schema_reader.h"

#include <array>
#include <optional>
#include <utility>

#include "base/bytes.h"
#include "base/varint.h"

namespace oncelog::inspect {

namespace {

constexpr std::size_t kUuidBytes = 16;
constexpr std::array<std::string_view, 8> kTransactionStatuses = {
    "Empty",          "Ongoing",       "PrepareCommit", "PrepareAbort",
    "CompleteCommit", "CompleteAbort", "Dead",          "PrepareEpochFence"};

FieldValue status_of(std::int8_t status) {
  if (status < 0 || std::cmp_greater_equal(status, kTransactionStatuses.size())) return {status};
  return kTransactionStatuses[static_cast<std::size_t>(status)];
}

/// The first thing that does not fit sticks, and nothing is read behind it.
class SchemaReader {
 public:
  SchemaReader(Bytes bytes, std::int16_t version, bool is_flexible)
      : all_(bytes), rest_(bytes), version_(version), is_flexible_(is_flexible) {}

  Fields read_struct(std::span<const FieldSchema> schema) {
    Fields fields;
    for (const FieldSchema& field : schema) {
      if (!problem_.empty()) return fields;
      if (version_ < field.since || version_ > field.until || field.tag >= 0) continue;
      FieldValue value = read_field(field);
      if (problem_.empty()) fields.push_back({field.name, std::move(value)});
    }
    if (is_flexible_) read_tagged(schema, fields);
    return fields;
  }

  [[nodiscard]] Bytes rest() const { return rest_; }
  [[nodiscard]] std::string take_problem() && { return std::move(problem_); }
  void fail(std::string_view name, std::string_view what) {
    if (!problem_.empty()) return;
    problem_ = "at byte " + std::to_string(rest_.data() - all_.data()) + ", " + std::string(name) +
               ": " + std::string(what);
    rest_ = {};
  }

 private:
  /// Flexible versions have as many of them as they like behind each struct; those that the schema
  /// does not know are a later writer's.
  void read_tagged(std::span<const FieldSchema> schema, Fields& fields) {
    constexpr std::string_view kName = "tagged fields";
    const std::uint32_t count = read_uvarint(kName);
    FieldList unknown;
    for (std::uint32_t i = 0; i < count && problem_.empty(); ++i) {
      const std::uint32_t tag = read_uvarint(kName);
      const std::uint32_t bytes = read_uvarint(kName);
      if (bytes > rest_.size()) return fail(kName, "one is longer than what is left");
      const Bytes payload = rest_.first(bytes);
      const FieldSchema* known = nullptr;
      for (const FieldSchema& field : schema) {
        if (std::cmp_equal(field.tag, tag)) known = &field;
      }
      if (known == nullptr) {
        unknown.emplace_back(
            Fields{{"tag", tag}, {"bytes", FieldBytes(payload.begin(), payload.end())}});
        rest_ = rest_.subspan(bytes);
        continue;
      }
      const Bytes behind = std::exchange(rest_, payload).subspan(bytes);
      FieldValue value = read_field(*known);
      if (problem_.empty() && !rest_.empty()) fail(known->name, "is longer than it should be");
      if (!problem_.empty()) return;
      fields.push_back({known->name, std::move(value)});
      rest_ = behind;
    }
    if (!unknown.empty()) fields.push_back({"unknown_tags", std::move(unknown)});
  }

  FieldValue read_field(const FieldSchema& field) {
    if (!field.is_array) return read_one(field);
    const std::optional<std::size_t> count = read_length(field, field.name);
    if (!count) return {};
    // An element has a byte at least, so there are no more of them than bytes.
    if (*count > rest_.size()) {
      fail(field.name, "has " + std::to_string(*count) + " elements in " +
                           std::to_string(rest_.size()) + " bytes");
      return {};
    }
    FieldList list;
    for (std::size_t i = 0; i < *count && problem_.empty(); ++i) list.push_back(read_one(field));
    return list;
  }

  FieldValue read_one(const FieldSchema& field) {
    switch (field.type) {
      case FieldType::kInt8:
        return read_number<std::int8_t>(field);
      case FieldType::kInt16:
        return read_number<std::int16_t>(field);
      case FieldType::kInt32:
        return read_number<std::int32_t>(field);
      case FieldType::kInt64:
        return read_number<std::int64_t>(field);
      case FieldType::kTimestamp:
        return Timestamp(read_number<std::int64_t>(field));
      case FieldType::kTransactionStatus:
        return status_of(read_number<std::int8_t>(field));
      case FieldType::kString: {
        const auto text = read_sized(field);
        return text ? FieldValue(as_text(*text)) : FieldValue();
      }
      case FieldType::kBytes: {
        const auto bytes = read_sized(field);
        return bytes ? FieldValue(FieldBytes(bytes->begin(), bytes->end())) : FieldValue();
      }
      case FieldType::kUuid: {
        const Bytes id = take(kUuidBytes, field.name);
        return FieldBytes(id.begin(), id.end());
      }
      case FieldType::kStruct:
        return read_nested(field);
    }
    return {};
  }

  /// One that may be null has a byte in front.
  FieldValue read_nested(const FieldSchema& field) {
    if (field.is_nullable && !field.is_array) {
      const auto marker = read_number<std::int8_t>(field);
      if (marker <= 0) return {};
    }
    return read_struct(field.fields);
  }

  std::optional<Bytes> read_sized(const FieldSchema& field) {
    const std::optional<std::size_t> length = read_length(field, field.name);
    if (!length) return std::nullopt;
    return take(*length, field.name);
  }

  /// Of a text, of bytes or of an array; none: null.
  std::optional<std::size_t> read_length(const FieldSchema& field, std::string_view name) {
    std::int64_t length = 0;
    if (is_flexible_) {
      length = std::int64_t{read_uvarint(name)} - 1;
    } else if (field.type == FieldType::kString && !field.is_array) {
      length = read_number<std::int16_t>(field);
    } else {
      length = read_number<std::int32_t>(field);
    }
    if (!problem_.empty()) return std::nullopt;
    if (length >= 0) return static_cast<std::size_t>(length);
    // Elements that may be null are in arrays that may not.
    if (length < -1 || !field.is_nullable) fail(name, "has length " + std::to_string(length));
    return std::nullopt;
  }

  template <std::integral T>
  T read_number(const FieldSchema& field) {
    const Bytes bytes = take(sizeof(T), field.name);
    return bytes.size() == sizeof(T) ? base::load_be<T>(bytes, 0) : T{};
  }

  std::uint32_t read_uvarint(std::string_view name) {
    const auto groups = base::read_groups32(rest_.data(), rest_.data() + rest_.size());
    if (groups.next == nullptr) {
      fail(name, "a length is broken off or has more than 5 bytes");
      return 0;
    }
    rest_ = rest_.subspan(static_cast<std::size_t>(groups.next - rest_.data()));
    return groups.bits;
  }

  Bytes take(std::size_t count, std::string_view name) {
    if (count > rest_.size()) {
      fail(name, "has " + std::to_string(count) + " bytes, " + std::to_string(rest_.size()) +
                     " are left");
      return {};
    }
    const Bytes taken = rest_.first(count);
    rest_ = rest_.subspan(count);
    return taken;
  }

  Bytes all_;
  Bytes rest_;
  std::int16_t version_;
  bool is_flexible_;
  std::string problem_{};
};

}  // namespace

ReadMessage read_message(const MessageSchema& schema, std::int16_t version, Bytes bytes) {
  SchemaReader reader(bytes, version, version >= schema.flexible_since);
  ReadMessage message;
  message.fields = reader.read_struct(schema.fields);
  if (!reader.rest().empty()) {
    reader.fail("end", std::to_string(reader.rest().size()) + " more bytes follow");
  }
  message.problem = std::move(reader).take_problem();
  return message;
}

}  // namespace oncelog::inspect
