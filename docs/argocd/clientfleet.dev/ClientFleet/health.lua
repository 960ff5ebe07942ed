-- How healthy Argo CD calls a ClientFleet: by its conditions, whatever the states of its clients.
local waiting = {status = "Progressing", message = "Waiting for the clientfleet controller"}

if obj.status == nil or obj.status.conditions == nil then
  return waiting
end
if obj.status.observedGeneration ~= obj.metadata.generation then
  return waiting
end
local ready = nil
for _, condition in ipairs(obj.status.conditions) do
  if condition.type == "Stalled" and condition.status == "True" then
    return {status = "Degraded", message = condition.message}
  end
  if condition.type == "Ready" then
    ready = condition
  end
end
if ready == nil then
  return waiting
end
if ready.status ~= "True" then
  return {status = "Progressing", message = ready.message}
end
return {status = "Healthy", message = ready.message}
