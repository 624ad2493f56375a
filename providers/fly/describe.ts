/** Describes machines and volumes in errors and warnings. */
import type { MachineConfig, WireMachine, WireVolume } from "./api/types.ts";

/** A machine's config, or the part that Fly knows while it cannot reach the machine's host. */
export function configOf({
    config,
    incomplete_config: known,
}: WireMachine): Partial<MachineConfig> {
    return config ?? known ?? {};
}

export function isReachable({ host_status: status }: WireMachine | WireVolume): boolean {
    return status !== "unreachable";
}

/** `machine m1 "mosquitto" in lhr (started, made …, updated …, with volume vol_1 …)`. */
export function describeMachine(machine: WireMachine, volumes: readonly WireVolume[]): string {
    const mounts = configOf(machine).mounts ?? [];
    const has = mounts.map(({ volume: id }) => {
        const found = volumes.find((one) => one.id === id);
        return found ? `with ${describeVolume(found)}` : `with volume ${id}`;
    });
    const known = [
        machine.state,
        machine.created_at && `made ${machine.created_at}`,
        machine.updated_at && `updated ${machine.updated_at}`,
        ...has,
        isReachable(machine) ? undefined : "on a host that Fly cannot reach",
    ].filter(Boolean);
    return `machine ${machine.id} "${machine.name ?? ""}" in ${machine.region ?? "?"} (${known.join(", ")})`;
}

/** `volume vol_1 "mosquitto_data" in lhr (1 GB, made …, 12 MB used, attached to machine m1)`. */
export function describeVolume(volume: WireVolume): string {
    const { bytes_used: used, attached_machine_id: holder } = volume;
    const known = [
        `${volume.size_gb} GB`,
        volume.created_at && `made ${volume.created_at}`,
        used ? `${Math.ceil(used / 2 ** 20)} MB used` : undefined,
        holder ? `attached to machine ${holder}` : "attached to none",
        isReachable(volume) ? undefined : "on a host that Fly cannot reach",
    ].filter(Boolean);
    return `volume ${volume.id} "${volume.name}" in ${volume.region} (${known.join(", ")})`;
}
