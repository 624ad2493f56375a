/** Defaults that other rooms use too. */

/** Pinned by digest, so that nobody can move the tag to another image; Renovate updates it. */
export const DEFAULT_BASE_IMAGE =
    "eclipse-mosquitto:2.1.2-alpine@sha256:38c0da4f2ef84284d47b3b3eeea1cb3bdeabe81ee10caf0cd5c5ff61ee3ea408";

export const FLY_MACHINES = "https://api.machines.dev";
export const FLY_LOGS = "https://api.fly.io";
