import type { LocalState } from "./model/records.ts";
import { machinesOf, volumesOf } from "./model/wire.ts";
import { fullImageRef } from "./runtime/environment.ts";

/** An app as `status` shows it. */
export interface AppStatus {
    name: string;
    hostname: string;
    organization: string;
    addresses: { ip: string; type: string }[];
    machines: {
        id: string;
        name: string;
        state: string;
        region: string;
        container: string | null;
        image: string;
    }[];
    volumes: { id: string; name: string; state: string; size_gb: number; machine: string | null }[];
}

/** Summarizes every app with its machines and volumes, without secrets. */
export function summarize(state: LocalState): AppStatus[] {
    return Object.values(state.apps).map((app) => ({
        name: app.name,
        hostname: `${app.name}.fly.dev`,
        organization: app.organization,
        addresses: app.ips.map(({ ip, type }) => ({ ip, type })),
        machines: machinesOf(state, app.name)
            .filter((machine) => machine.state !== "destroyed")
            .map((machine) => ({
                id: machine.id,
                name: machine.name,
                state: machine.state,
                region: machine.region,
                container:
                    machine.container === undefined ? null : `fly-${machine.app}-${machine.id}`,
                image: fullImageRef(machine),
            })),
        volumes: volumesOf(state, app.name).map((volume) => ({
            id: volume.id,
            name: volume.name,
            state: volume.state,
            size_gb: volume.sizeGb,
            machine: volume.machine ?? null,
        })),
    }));
}
