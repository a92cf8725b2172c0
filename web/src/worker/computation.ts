/** The computations on one trace, without the worker around them. */
import { type CriticalPath, criticalPath } from "../model/critical_path.ts";
import { firstDepth, type VisibleRows, visibleRows, withAncestors } from "../model/folding.ts";
import { type Lanes, packLanes } from "../model/lanes.ts";
import { type MinimapPicture, minimapCells } from "../model/minimap.ts";
import { type NameRow, nameTable } from "../model/names.ts";
import { textMatches } from "../model/search.ts";
import { selfTimes } from "../model/self_time.ts";
import { groupSiblings, type Siblings } from "../model/siblings.ts";
import { endTimes, parseSkeleton, type Skeleton, STATUS_ERROR } from "../model/skeleton.ts";
import { buildTree, type Tree } from "../model/tree.ts";
import type { FoldMessage, Matches, TraceData } from "./protocol.ts";

export class TraceComputation {
  readonly skeleton: Skeleton;
  readonly end: number;
  readonly ends: Float64Array;
  readonly tree: Tree;
  readonly self: Float64Array;
  readonly siblings: Siblings;
  private keep: Uint8Array | undefined;
  private knownPath: CriticalPath | undefined;

  constructor(buffer: ArrayBuffer) {
    this.skeleton = parseSkeleton(buffer);
    ({ ends: this.ends, end: this.end } = endTimes(this.skeleton));
    this.tree = buildTree(this.skeleton, this.ends);
    this.self = selfTimes(this.skeleton.startTime, this.ends, this.tree);
    this.siblings = groupSiblings(this.skeleton, this.ends, this.tree);
  }

  /** Return what drawing needs. It shares its arrays with this object. */
  data(buffer: ArrayBuffer): TraceData {
    const { skeleton, end, ends, self, tree, siblings } = this;
    const errors = tree.order.filter((row) => skeleton.status[row] === STATUS_ERROR);
    return {
      skeleton: buffer,
      end,
      ends,
      self,
      tree,
      siblings,
      errors,
      firstDepth: firstDepth(tree, siblings),
    };
  }

  rows({ depth, toggled, group, only }: FoldMessage): VisibleRows {
    return visibleRows(this.tree, this.siblings, {
      depth,
      toggled: new Set(toggled),
      group,
      only: only ? this.keep : undefined,
    });
  }

  /** Mark the rows that the server found, or those whose name or service contains a text. */
  match(request: { rows?: number[]; text?: string } | null): Matches | null {
    if (request === null) {
      this.keep = undefined;
      return null;
    }
    const marked = textMatches(this.skeleton, request.text ?? "");
    for (const row of request.rows ?? []) if (row < marked.length) marked[row] = 1;
    this.keep = withAncestors(marked, this.tree);
    return { marked, inOrder: this.tree.order.filter((row) => marked[row] === 1) };
  }

  minimap(): MinimapPicture {
    return minimapCells(this.skeleton, this.ends, this.tree, this.siblings, this.end);
  }

  path(): CriticalPath {
    this.knownPath ??= criticalPath(this.skeleton, this.ends, this.tree);
    return this.knownPath;
  }

  names(): NameRow[] {
    return nameTable(this.skeleton, this.ends, this.self, this.path().time);
  }

  lanes(): Lanes {
    return packLanes(this.skeleton, this.ends, this.tree);
  }
}
