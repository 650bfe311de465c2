#include "tree.h"

#include <utility>

namespace unrolled::ctc {

namespace {

std::size_t place(std::int32_t node) {
  return static_cast<std::size_t>(node);
}

std::uint64_t key(std::int32_t parent, std::int32_t label) {
  return static_cast<std::uint64_t>(parent) << 32 | static_cast<std::uint32_t>(label);
}

} // namespace

std::int32_t Tree::child(std::int32_t parent, std::int32_t label) {
  const auto [found, fresh] =
      children_.try_emplace(key(parent, label), static_cast<std::int32_t>(nodes_.size()));
  if (fresh)
    nodes_.push_back({parent, label, (*this)[parent].length + 1, -1});
  return found->second;
}

int Tree::order(std::int32_t a, std::int32_t b) const {
  int found = 0;
  for (; a != b; a = (*this)[a].parent, b = (*this)[b].parent)
    if ((*this)[a].label != (*this)[b].label)
      found = (*this)[a].label < (*this)[b].label ? -1 : 1;
  return found;
}

std::vector<Index> Tree::labels(std::int32_t node) const {
  std::vector<Index> found(static_cast<std::size_t>((*this)[node].length));
  for (auto to = found.rbegin(); to != found.rend(); ++to, node = (*this)[node].parent)
    *to = (*this)[node].label;
  return found;
}

void Tree::keep(const std::vector<std::int32_t*>& nodes) {
  std::vector<std::int32_t> moved(nodes_.size(), -1);
  moved[0] = 0;
  for (const std::int32_t* one : nodes)
    for (std::int32_t node = *one; moved[place(node)] < 0; node = (*this)[node].parent)
      moved[place(node)] = 0;
  std::vector<Node> kept;
  children_.clear();
  for (std::size_t node = 0; node < nodes_.size(); ++node) { // a parent stands before its children
    if (moved[node] < 0)
      continue;
    moved[node] = static_cast<std::int32_t>(kept.size());
    kept.push_back(nodes_[node]);
    if (node == 0)
      continue;
    Node& own = kept.back();
    own.parent = moved[place(own.parent)];
    children_.emplace(key(own.parent, own.label), moved[node]);
  }
  nodes_ = std::move(kept);
  for (std::int32_t* one : nodes)
    *one = moved[place(*one)];
}

} // namespace unrolled::ctc
