-- Texts with variables, which the controller divided: every second part is the name of a variable, or the number of a
-- capture ("1").
local concat, find = table.concat, string.find
local variables = ngx.var

-- Return a function for the value of *parts*; it takes the captures, and a function that changes each of them. *own*
-- has functions for the values of variables that nginx does not know.
return function(parts, own)
  local count = #parts
  if count == 1 then
    return function() return parts[1] end
  elseif parts[1] == "" and (count == 2 or count == 3 and parts[3] == "") and not find(parts[2], "^%d") then
    local name = parts[2]
    return own and own[name] or function() return variables[name] or "" end
  end
  local numbers = {}
  for i = 2, count, 2 do
    numbers[i] = tonumber(parts[i])
  end
  return function(captures, change)
    local found = {}
    for i = 1, count do
      local value = parts[i]
      if numbers[i] then
        value = captures[numbers[i]] or ""
        value = change and change(value) or value
      elseif i % 2 == 0 then
        value = own and own[value] and own[value]() or variables[value] or ""
      end
      found[i] = value
    end
    return concat(found)
  end
end
