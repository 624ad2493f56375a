/** A volume with a real size limit, like a machine's. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import Docker from "dockerode";
import { LoopVolumes } from "../../dev/fly/runtime/loopVolumes.ts";

const ID = "small";

export class SmallVolume {
    /** Docker's volume, mounted while a container uses it. */
    readonly name: string;
    readonly #loops: LoopVolumes;
    readonly #dir: string;

    private constructor(loops: LoopVolumes, dir: string, name: string) {
        this.#loops = loops;
        this.#dir = dir;
        this.name = name;
    }

    static async make(megabytes: number): Promise<SmallVolume> {
        const dir = mkdtempSync(path.join(tmpdir(), "small-volume-"));
        const loops = new LoopVolumes(new Docker(), dir, path.basename(dir));
        await loops.create(ID, megabytes / 1024);
        const { Source } = await loops.mount(ID, "/");
        return new SmallVolume(loops, dir, Source);
    }

    /**
     * Grows it. No container may use it meanwhile, just as a machine restarts if its volume cannot grow in
     * use.
     */
    async grow(megabytes: number): Promise<void> {
        await this.#loops.extend(ID, megabytes / 1024);
    }

    /** Removes it; no container may use it any more. */
    async remove(): Promise<void> {
        await new Docker().getVolume(this.name).remove();
        await this.#loops.remove(ID);
        rmSync(this.#dir, { recursive: true });
    }
}
