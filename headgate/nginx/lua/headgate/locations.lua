-- Finds the location of a path as nginx does: an exact one, else the longest prefix; unless that says that they are not
-- asked (`^~`), the first regular expression that matches goes before it.
local paths = require "headgate.paths"
local text_of = require "headgate.texts"

local sub = string.sub
local ipairs, re_find = ipairs, ngx.re.find

local FLAGS = { ["~"] = "o", ["~*"] = "io" } -- compiled once; not just in time: nginx does not, and has other limits

local M = {}

-- Return what a location does; *chosen* are the variables of its host.
local function action_of(path, chosen)
  local more = type(path[7]) == "table" and path[7] or {}
  return {
    profile = path[3], upstream = path[4] ~= "" and path[4] or nil,
    most = path[5] > 0 and path[5] or nil, large = path[6] ~= "" and path[6] or nil,
    change = more.replaced and paths.replace(more.replaced, #path[2]) or more.rewrite and paths.rewrite(more.rewrite),
    text = more.text and text_of(more.text), final = path[1] == "^~",
    jump = more.jump and chosen[more.jump], hidden = more.hidden,
  }
end

-- Return the lengths of the texts in *prefixes*, the longest first.
local function lengths_of(prefixes)
  local seen, lengths = {}, {}
  for text in pairs(prefixes) do
    if not seen[#text] then
      seen[#text] = true
      lengths[#lengths + 1] = #text
    end
  end
  table.sort(lengths, function(one, other) return one > other end)
  return lengths
end

-- Return the locations in *list*, which the controller pushed, in the form that `find` reads. *chosen* are the
-- variables of the host.
function M.layout(list, chosen)
  local exact, prefixes, patterns = {}, {}, {}
  for _, path in ipairs(list) do
    local flags, action = FLAGS[path[1]], action_of(path, chosen)
    if flags then
      patterns[#patterns + 1] = { path[2], flags, action }
    else
      (path[1] == "=" and exact or prefixes)[path[2]] = action
    end
  end
  return { exact = exact, prefixes = prefixes, lengths = lengths_of(prefixes), patterns = patterns[1] and patterns }
end

local function prefix_of(found, path, length)
  local count = #path
  return length <= count and found.prefixes[length == count and path or sub(path, 1, length)]
end

-- Return the action of the longest prefix of *path*. Most hosts have one or two lengths: what follows a loop is not
-- compiled with what is before it.
local function longest(found, path)
  local lengths = found.lengths
  local one, two = lengths[1], lengths[2]
  local action = one and prefix_of(found, path, one) or two and prefix_of(found, path, two)
  if action or not lengths[3] then
    return action or nil
  end
  for i = 3, #lengths do
    action = prefix_of(found, path, lengths[i])
    if action then
      return action
    end
  end
end

-- Return the action of the first of *patterns* that matches, else *action*; nil and why if one cannot be evaluated.
local function first_of(patterns, path, action)
  for i = 1, #patterns do
    local pattern = patterns[i]
    local from, _, fault = re_find(path, pattern[1], pattern[2])
    if from then
      return pattern[3]
    elseif fault then
      return nil, fault
    end
  end
  return action
end

-- Return the action for *path*, nil if there is none; and why, if an expression cannot be evaluated.
function M.find(found, path)
  local action = found.exact[path]
  if action then
    return action
  end
  action = longest(found, path)
  if found.patterns and not (action and action.final) then
    return first_of(found.patterns, path, action)
  end
  return action
end

return M
