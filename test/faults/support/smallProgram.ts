/** A small stack's program; settings.json says what to create. */
import path from "node:path";
import { ROOT } from "../../../lib/paths.ts";
import {
    APPLY,
    BROKER_FILES,
    CHECK,
    LISTEN,
    readAtStart,
    STATE,
} from "../../support/liveMachine.ts";

export const PROJECT = "small";

/** Type and logical name of each of the program's resources, as in their URNs. */
export const RESOURCES = {
    app: "App::app",
    v6: "IpAddress::v6",
    v4: "IpAddress::v4",
    volume: "Volume::data",
    secrets: "Secrets::secrets",
    machine: "Machine::machine",
} as const;

export const PROGRAM = `
import { readFileSync } from "node:fs";
import { App, IpAddress, Machine, Secrets, Volume } from ${JSON.stringify(path.join(ROOT, "providers", "index.ts"))};
const { endpoint, image, app: name, settings, renamed, aliased } = JSON.parse(readFileSync("settings.json", "utf8"));
const { timeoutS = 60 } = settings;
const owner = { project: "${PROJECT}", stack: "dev" };
// Each resource has two logical names, and may have the other as an alias.
const make = (type, logical, args) => {
    const names = [logical, logical + "-renamed"];
    if (renamed.includes(logical)) names.reverse();
    return new type(names[0], args, aliased ? { aliases: [{ name: names[1] }] } : {});
};
const made = make(App, "app", { endpoint, name, organization: "personal", owner });
const app = made.name;
make(IpAddress, "v6", { endpoint, app, type: "v6" });
if (settings.ipv4) make(IpAddress, "v4", { endpoint, app, type: "v4" });
const volume = make(Volume, "data", {
    endpoint, app, name: "data", region: "lhr", sizeGb: settings.volumeSizeGb, owner,
});
const secrets = make(Secrets, "secrets", {
    endpoint, app, files: { secret: settings.secret }, names: ["SECRET"],
    live: { machine: "small", owner, ...${JSON.stringify({ check: CHECK, apply: APPLY, state: STATE })} },
});
make(Machine, "machine", {
    endpoint, app, name: "small", region: "lhr", owner,
    secretsVersion: secrets.restartVersion,
    newestSecretsVersion: secrets.version,
    timeouts: { create: timeoutS, update: timeoutS, delete: timeoutS },
    config: {
        image,
        init: { cmd: ["/bin/sh", "-c", ${JSON.stringify(`${readAtStart("SECRET")} ${LISTEN}`)}] },
        files: [${JSON.stringify(BROKER_FILES)}],
        guest: { cpu_kind: "shared", cpus: 1, memory_mb: settings.memoryMb },
        mounts: [{ volume: volume.volumeId, path: "/data" }],
        services: [{ protocol: "tcp", internal_port: 1883, ports: [{ port: settings.port }], autostart: true, autostop: "off" }],
        checks: { tcp: { type: "tcp", port: 1883, interval: "1s", timeout: "1s" } },
        restart: { policy: "always" },
        stop_config: { signal: "SIGTERM", timeout: "5s" },
    },
});
`;
