/** Defaults that are known outside the settings' rules too. */
export const DEFAULT_BASE_IMAGE = "eclipse-mosquitto:2.1.2-alpine";

export const FLY_MACHINES = "https://api.machines.dev";
export const FLY_LOGS = "https://api.fly.io";
