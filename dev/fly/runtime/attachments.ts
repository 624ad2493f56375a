import type { LocalState, VolumeRecord } from "../model/records.ts";

/**
 * The machine a volume is bound to. One that is destroyed keeps the volume for a while longer.
 */
export function boundTo(state: LocalState, volume: VolumeRecord): string | undefined {
    if (volume.machine === undefined) return undefined;
    const machine = state.machines[volume.machine];
    if (machine !== undefined && machine.state !== "destroyed") return volume.machine;
    return Date.now() < (volume.boundUntil ?? 0) ? volume.machine : undefined;
}
