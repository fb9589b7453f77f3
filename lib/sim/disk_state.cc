#include "sim/disk_state.h"

#include <algorithm>
#include <set>

#include "base/hash.h"

namespace oncelog::sim {

namespace {

template <class... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};

/// The parts of a path, without empty ones.
std::vector<std::string_view> parts_of(std::string_view path) {
  std::vector<std::string_view> parts;
  while (!path.empty()) {
    const std::size_t end = std::min(path.find('/'), path.size());
    if (end > 0) parts.push_back(path.substr(0, end));
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return parts;
}

void add_reachable(const std::map<InodeNumber, Inode>& inodes, InodeNumber from,
                   std::set<InodeNumber>& reached) {
  if (!inodes.contains(from) || !reached.insert(from).second) return;
  const Inode& inode = inodes.at(from);
  for (const Names* names : {&inode.stored_names, &inode.cached_names}) {
    for (const auto& [name, target] : *names) add_reachable(inodes, target, reached);
  }
}

/// The inodes that a change speaks of.
std::vector<InodeNumber> inodes_of(const Change& change) {
  return std::visit(Overloaded{[](const WriteChange& one) { return std::vector{one.file}; },
                               [](const ResizeChange& one) { return std::vector{one.file}; },
                               [](const LinkChange& one) {
                                 std::vector inodes{one.directory, one.target};
                                 if (one.old_name) inodes.push_back(one.old_name->first);
                                 return inodes;
                               },
                               [](const UnlinkChange& one) { return std::vector{one.directory}; }},
                    change);
}

}  // namespace

bool is_synced_by(const Change& change, InodeNumber inode) {
  return std::visit(Overloaded{[&](const WriteChange& one) { return one.file == inode; },
                               [&](const ResizeChange& one) { return one.file == inode; },
                               [&](const LinkChange& one) {
                                 return one.directory == inode ||
                                        (one.old_name && one.old_name->first == inode);
                               },
                               [&](const UnlinkChange& one) { return one.directory == inode; }},
                    change);
}

void put_bytes(Content& content, std::int64_t position, Bytes bytes) {
  const auto begin = static_cast<std::size_t>(position);
  if (content.size() < begin + bytes.size()) content.resize(begin + bytes.size());
  std::ranges::copy(bytes, content.begin() + static_cast<std::ptrdiff_t>(begin));
}

void make_change(std::map<InodeNumber, Inode>& inodes, const Change& change,
                 Content Inode::* content, Names Inode::* names) {
  std::visit(
      Overloaded{
          [&](const WriteChange& one) {
            put_bytes(inodes.at(one.file).*content, one.position, one.bytes);
          },
          [&](const ResizeChange& one) {
            (inodes.at(one.file).*content).resize(static_cast<std::size_t>(one.bytes));
          },
          [&](const LinkChange& one) {
            if (one.old_name) {
              (inodes.at(one.old_name->first).*names).erase(one.old_name->second);
            }
            (inodes.at(one.directory).*names)[one.name] = one.target;
          },
          [&](const UnlinkChange& one) { (inodes.at(one.directory).*names).erase(one.name); }},
      change);
}

DiskState::DiskState() {
  inodes_[kRootInode].is_directory = true;
  inodes_[kRootInode].number = kRootInode;
}

DiskState::DiskState(std::map<InodeNumber, Inode> stored) {
  for (auto& [number, inode] : stored) inode.cached_names.clear();
  std::set<InodeNumber> reached;
  add_reachable(stored, kRootInode, reached);
  std::set<InodeNumber> numbers;
  for (auto& [number, inode] : stored) {
    if (!reached.contains(number)) continue;
    // A removal was lost, what was made behind it was not: two files, so two numbers. Nobody has
    // ever been given the newer one's own.
    if (!numbers.insert(inode.number).second) inode.number = number;
    inode.is_number_reused = false;
    std::erase_if(inode.stored_names,
                  [&](const auto& name) { return !stored.contains(name.second); });
    inode.cached = inode.stored;
    inode.cached_names = inode.stored_names;
    next_inode_ = std::max(next_inode_, number + 1);
    inodes_[number] = std::move(inode);
  }
}

std::optional<InodeNumber> DiskState::find(std::string_view path) const {
  std::vector<InodeNumber> way{kRootInode};
  for (const std::string_view part : parts_of(path)) {
    if (part == ".") continue;
    if (part == "..") {
      if (way.size() > 1) way.pop_back();
      continue;
    }
    const Names& names = inodes_.at(way.back()).cached_names;
    const auto found = names.find(part);
    if (found == names.end()) return std::nullopt;
    way.push_back(found->second);
  }
  return way.back();
}

std::optional<std::pair<InodeNumber, std::string>> DiskState::find_parent(
    std::string_view path) const {
  const std::vector<std::string_view> parts = parts_of(path);
  if (parts.empty()) return std::nullopt;
  const std::string_view name = parts.back();
  const auto parent = find(path.substr(0, static_cast<std::size_t>(name.data() - path.data())));
  if (!parent || !inodes_.at(*parent).is_directory) return std::nullopt;
  return std::pair(*parent, std::string(name));
}

std::uint64_t DiskState::count_links(InodeNumber inode) const {
  std::uint64_t count = 0;
  for (const auto& [number, directory] : inodes_) {
    for (const auto& [name, target] : directory.cached_names) count += target == inode ? 1 : 0;
  }
  return count;
}

std::string DiskState::path_of(InodeNumber inode) const {
  if (inode == kRootInode) return "";
  for (const auto& [number, directory] : inodes_) {
    for (const auto& [name, target] : directory.cached_names) {
      if (target == inode) return path_of(number) + "/" + name;
    }
  }
  return "inode " + std::to_string(inode);
}

std::string DiskState::text_of(const Change& change) const {
  return std::visit(
      Overloaded{[&](const WriteChange& one) {
                   return "write " + path_of(one.file) + " " + std::to_string(one.bytes.size()) +
                          " bytes at " + std::to_string(one.position);
                 },
                 [&](const ResizeChange& one) {
                   return "resize " + path_of(one.file) + " to " + std::to_string(one.bytes);
                 },
                 [&](const LinkChange& one) {
                   const std::string to = path_of(one.directory) + "/" + one.name;
                   if (!one.old_name) return "create " + to;
                   return "rename " + path_of(one.old_name->first) + "/" + one.old_name->second +
                          " to " + to;
                 },
                 [&](const UnlinkChange& one) {
                   return "remove " + path_of(one.directory) + "/" + one.name;
                 }},
      change);
}

std::optional<InodeNumber> DiskState::take_old_number() {
  std::set<InodeNumber> named{kRootInode};
  for (const auto& [number, inode] : inodes_) {
    for (const auto& [name, target] : inode.cached_names) named.insert(target);
  }
  for (auto& [number, inode] : inodes_) {
    if (inode.is_number_reused || named.contains(number)) continue;
    inode.is_number_reused = true;
    return inode.number;
  }
  return std::nullopt;
}

InodeNumber DiskState::create(bool is_directory, std::int64_t now_ms, OldNumbers old_numbers) {
  const auto old_number =
      old_numbers == OldNumbers::kReused ? take_old_number() : std::optional<InodeNumber>();
  Inode& inode = inodes_[next_inode_];
  inode.number = old_number.value_or(next_inode_);
  inode.is_directory = is_directory;
  inode.modified_ms = now_ms;
  return next_inode_++;
}

void DiskState::change(Change made, std::int64_t now_ms) {
  make_change(inodes_, made, &Inode::cached, &Inode::cached_names);
  if (const auto* write = std::get_if<WriteChange>(&made)) {
    inodes_.at(write->file).modified_ms = now_ms;
  } else if (const auto* resize = std::get_if<ResizeChange>(&made)) {
    inodes_.at(resize->file).modified_ms = now_ms;
  }
  unsynced_.push_back(std::move(made));
}

void DiskState::sync(InodeNumber inode) {
  std::erase_if(unsynced_, [&](const Change& one) {
    if (!is_synced_by(one, inode)) return false;
    make_change(inodes_, one, &Inode::stored, &Inode::stored_names);
    return true;
  });
}

void DiskState::fail_sync(InodeNumber inode, std::size_t stored_count) {
  std::size_t seen = 0;
  std::erase_if(unsynced_, [&](const Change& one) {
    if (!is_synced_by(one, inode)) return false;
    const bool is_stored = seen++ < stored_count;
    if (is_stored) make_change(inodes_, one, &Inode::stored, &Inode::stored_names);
    return is_stored || std::holds_alternative<WriteChange>(one);
  });
}

std::size_t DiskState::count_unsynced(InodeNumber inode) const {
  return static_cast<std::size_t>(std::ranges::count_if(
      unsynced_, [&](const Change& one) { return is_synced_by(one, inode); }));
}

std::uint64_t DiskState::fingerprint() const {
  std::uint64_t hash = 0;
  const auto add = [&](Bytes bytes, std::uint64_t number) {
    hash = base::hash64(bytes, hash * 31 + number);
  };
  const auto add_names = [&](const Names& names) {
    for (const auto& [name, target] : names) add(as_bytes(name), target);
    add({}, names.size());
  };
  for (const auto& [number, inode] : inodes_) {
    add(inode.cached, number);
    add(inode.stored, inode.cached.size() * 31 + inode.number);
    add_names(inode.cached_names);
    add_names(inode.stored_names);
  }
  for (const Change& one : unsynced_) {
    for (const InodeNumber inode : inodes_of(one)) add({}, inode);
    std::visit(Overloaded{[&](const WriteChange& made) {
                            add(made.bytes, static_cast<std::uint64_t>(made.position));
                          },
                          [&](const ResizeChange& made) {
                            add({}, static_cast<std::uint64_t>(made.bytes));
                          },
                          [&](const auto& made) { add(as_bytes(made.name), one.index()); }},
               one);
  }
  return hash;
}

void DiskState::forget_nameless() {
  std::set<InodeNumber> reached;
  add_reachable(inodes_, kRootInode, reached);
  // A name that is to be stored may be all that leads there after the loss of power.
  for (const Change& one : unsynced_) {
    if (const auto* link = std::get_if<LinkChange>(&one)) {
      for (const InodeNumber inode : inodes_of(*link)) add_reachable(inodes_, inode, reached);
    }
  }
  const auto is_nameless = [&](InodeNumber inode) { return !reached.contains(inode); };
  std::erase_if(unsynced_, [&](const Change& one) {
    return std::ranges::any_of(inodes_of(one), is_nameless);
  });
  std::erase_if(inodes_, [&](const auto& inode) { return is_nameless(inode.first); });
}

void DiskState::drop_cache(InodeNumber file, std::int64_t position) {
  Inode& inode = inodes_.at(file);
  const std::size_t size = inode.cached.size();
  const std::size_t kept = std::min(size, static_cast<std::size_t>(position));
  const Content front(inode.cached.begin(),
                      inode.cached.begin() + static_cast<std::ptrdiff_t>(kept));
  inode.cached = inode.stored;
  for (const Change& one : unsynced_) {
    if (is_synced_by(one, file)) make_change(inodes_, one, &Inode::cached, &Inode::cached_names);
  }
  inode.cached.resize(size);  // the length is not in the pages
  std::ranges::copy(front, inode.cached.begin());
}

}  // namespace oncelog::sim
