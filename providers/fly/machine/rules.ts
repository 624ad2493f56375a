/** Rules over a machine's inputs and state: invalid values, replacements, and whether it must run. */
import { isUnknown, sameValue } from "../../provider.ts";
import type { MachineInputs } from "./inputs.ts";
import type { MachineConfig } from "../api/types.ts";

export function imageProblem(config: MachineConfig): string | undefined {
    return isUnknown(config) || config.image ? undefined : "a machine needs an image";
}

/** Tells whether the change replaces the machine, as far as the inputs alone tell. */
export function isReplaced(olds: Partial<MachineInputs>, news: MachineInputs): boolean {
    const keys = ["app", "name", "region"] as const;
    const moved = keys.some(
        (key) => olds[key] !== undefined && !isUnknown(news[key]) && olds[key] !== news[key],
    );
    const { config } = olds;
    return (
        moved ||
        (config && !isUnknown(news.config) ? mountsOtherVolume(config, news.config) : false)
    );
}

export function mountsOtherVolume(olds: MachineConfig, news: MachineConfig): boolean {
    const mounts: readonly { volume: string }[] = news.mounts ?? [];
    if (isUnknown(mounts) || mounts.some((mount) => isUnknown(mount) || isUnknown(mount.volume))) {
        return false;
    }
    const volumes = (config: MachineConfig) => (config.mounts ?? []).map(({ volume }) => volume);
    return !sameValue(volumes(olds), volumes(news));
}

/** Tells whether Fly's proxy may stop the machine. */
function mayStop(config: MachineConfig): boolean {
    return (
        !isUnknown(config) &&
        Array.isArray(config.services) &&
        config.services.some(
            ({ autostop }) => autostop !== undefined && autostop !== "off" && autostop !== false,
        )
    );
}

/** States of a machine that runs or is about to. */
const RUNNING = new Set(["started", "starting", "created", "updating", "replacing", "restarting"]);

/** Tells whether the machine is stopped although the proxy may not stop it. */
export function isDown(state: string, config: MachineConfig): boolean {
    return !RUNNING.has(state) && !mayStop(config);
}
