-- For wrk. Environment:
--   REQUESTS  a Lua file that returns a list of {method, path, headers, body}, sent in turn
--   CHECK     1 = look at every body: one with the key "errors" counts as bad, and the first of them is shown
-- Prints one line, RESULT and a JSON object; times are in milliseconds.
local threads = {}

function setup(thread)
  table.insert(threads, thread)
  thread:set("bad", 0)
  thread:set("example", "")
end

function init()
  formatted, turn, bad, example = {}, 0, 0, ""
  for _, r in ipairs(dofile(os.getenv("REQUESTS"))) do
    table.insert(formatted, wrk.format(r.method, r.path, r.headers, r.body))
  end
  if os.getenv("CHECK") == "1" then
    response = function(status, _, body)
      if status ~= 200 or body:find('"errors"', 1, true) then
        bad = bad + 1
        if example == "" then example = status .. " " .. body:sub(1, 300) end
      end
    end
  end
end

function request()
  turn = turn % #formatted + 1
  return formatted[turn]
end

local function quoted(text)
  return '"' .. text:gsub('[%c"\\]', function(c) return string.format("\\u%04x", c:byte()) end) .. '"'
end

function done(summary, latency)
  local bad, example = 0, ""
  for _, thread in ipairs(threads) do
    bad = bad + thread:get("bad")
    if example == "" then example = thread:get("example") end
  end
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"rate":%.1f,"requests":%d,"p50":%.3f,"p99":%.3f,"max":%.3f,"status":%d,"lost":%d,"timeouts":%d,"bad":%d,"example":%s}\n',
    summary.requests / (summary.duration / 1e6), summary.requests,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3,
    errors.status, errors.connect + errors.read + errors.write, errors.timeout, bad, quoted(example)))
end
