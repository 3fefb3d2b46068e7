-- The variables of a host that decide which of its locations answers: as nginx's `map`, and as `split_clients`.
local text_of = require "headgate.texts"

local ipairs, pairs, tonumber = ipairs, pairs, tonumber
local lower, sub = string.lower, string.sub
local re_find, variables = ngx.re.find, ngx.var

local FLAGS = { ["~"] = "o", ["~*"] = "io" }
local ALL = 2 ^ 32 / 100

local function map_of(map, chosen)
  local source, otherwise = text_of(map.source, chosen), text_of(map.otherwise or { "" }, chosen)
  local values, patterns = {}, {}
  for key, text in pairs(map.values or {}) do
    values[key] = text_of(text, chosen)
  end
  for i, each in ipairs(map.patterns or {}) do
    patterns[i] = { FLAGS[each[1]], each[2], text_of(each[3], chosen) }
  end
  return function()
    local key = source()
    local value = values[lower(key)]
    if value then
      return value()
    end
    for i = 1, #patterns do
      if re_find(key, patterns[i][2], patterns[i][1]) then
        return patterns[i][3]()
      end
    end
    return otherwise()
  end
end

-- A request keeps its share: nginx made a number for it.
local function split_of(shares)
  return function()
    local percent = tonumber(sub(variables.request_id, 1, 8), 16) / ALL
    for i = 1, #shares do
      if percent < shares[i][1] then
        return shares[i][2]
      end
    end
    return shares[#shares][2]
  end
end

-- Return a function for the value of each variable, by name.
return function(maps, splits)
  local chosen = {}
  for name, shares in pairs(splits) do
    chosen[name] = split_of(shares)
  end
  -- A map may read others, whose functions are not there yet.
  for name in pairs(maps) do
    local own
    chosen[name] = function()
      own = own or map_of(maps[name], chosen)
      return own()
    end
  end
  return chosen
end
