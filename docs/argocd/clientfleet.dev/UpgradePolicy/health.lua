-- How healthy Argo CD calls an UpgradePolicy: Healthy once it is in force in all its fleets, whether or not its
-- clients are upgraded already; Suspended once its suspension is in force.
local waiting = {status = "Progressing", message = "Waiting for the clientfleet controller"}

if obj.status == nil or obj.status.conditions == nil then
  return waiting
end
local ready = nil
for _, condition in ipairs(obj.status.conditions) do
  -- What is said of an older generation does not count.
  if condition.observedGeneration == obj.metadata.generation then
    if condition.type == "Stalled" and condition.status == "True" then
      return {status = "Degraded", message = condition.message}
    end
    if condition.type == "Ready" then
      ready = condition
    end
  end
end
if ready == nil then
  return waiting
end
if ready.status ~= "True" or obj.status.observedGeneration ~= obj.metadata.generation then
  return {status = "Progressing", message = ready.message}
end
if obj.spec.suspend == true then
  return {status = "Suspended", message = "Nothing new is distributed until spec.suspend is taken away"}
end
return {status = "Healthy", message = ready.message}
