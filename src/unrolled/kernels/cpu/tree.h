/* The label sequences of a search, as a tree: a sequence is a node, and the node before it its parent. */
#pragma once

#include <cstddef>
#include <unordered_map>
#include <vector>

#include "contract.h"

namespace unrolled::ctc {

/* Node 0 is the empty sequence. */
class Tree {
public:
  struct Node {
    std::int32_t parent, label, length;
    std::int32_t member; // its place among the kept prefixes, or -1
  };

  Tree() : nodes_{{-1, -1, 0, -1}} {}
  Node& operator[](std::int32_t node) { return nodes_[static_cast<std::size_t>(node)]; }
  const Node& operator[](std::int32_t node) const { return nodes_[static_cast<std::size_t>(node)]; }
  std::size_t size() const { return nodes_.size(); }

  /* The node behind `parent`, made where there is none. */
  std::int32_t child(std::int32_t parent, std::int32_t label);
  /* Of two sequences of one length: below 0 where the first label in which they differ is lower in a. */
  int order(std::int32_t a, std::int32_t b) const;
  std::vector<Index> labels(std::int32_t node) const;
  /* Forgets all but `nodes` and what they begin with, and gives them their new places. */
  void keep(const std::vector<std::int32_t*>& nodes);

private:
  std::vector<Node> nodes_;
  std::unordered_map<std::uint64_t, std::int32_t> children_;
};

} // namespace unrolled::ctc
