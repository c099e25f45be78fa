"""How long tests wait for what comes by itself: never for a fixed time, and never so briefly that a busy machine is too slow."""

PATIENCE = 300  # seconds until a process or a page counts as hanging: on a busy machine it may take half a minute to begin
