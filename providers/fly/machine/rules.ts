/** What a machine's inputs and state tell by themselves: what is wrong, what replaces, what has to run. */
import { isUnknown, sameValue } from "../../provider.ts";
import type { MachineInputs } from "./inputs.ts";
import type { MachineConfig } from "../api/types.ts";

export function imageProblem(config: MachineConfig): string | undefined {
    return isUnknown(config) || config.image ? undefined : "a machine needs an image";
}

/** As far as inputs alone tell. */
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

/** Whether a stopped machine may be the proxy's doing. */
function mayStop(config: MachineConfig): boolean {
    return (
        !isUnknown(config) &&
        Array.isArray(config.services) &&
        config.services.some(
            ({ autostop }) => autostop !== undefined && autostop !== "off" && autostop !== false,
        )
    );
}

/** A stopped machine is as wanted only where the proxy may stop it. */
const RUNNING = new Set(["started", "starting", "created", "updating", "replacing", "restarting"]);

/** Whether it stands still, and the proxy has no part in it. */
export function isDown(state: string, config: MachineConfig): boolean {
    return !RUNNING.has(state) && !mayStop(config);
}
