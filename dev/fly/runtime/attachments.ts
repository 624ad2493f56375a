import type { LocalState, VolumeRecord } from "../model/records.ts";

/** Finds the machine that a volume is bound to. A destroyed machine keeps its volume for a while. */
export function boundTo(state: LocalState, volume: VolumeRecord): string | undefined {
    if (volume.machine === undefined) return undefined;
    const machine = state.machines[volume.machine];
    if (machine !== undefined && machine.state !== "destroyed") return volume.machine;
    return Date.now() < (volume.boundUntil ?? 0) ? volume.machine : undefined;
}
