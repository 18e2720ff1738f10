import { createContext, useContext, useState, type ReactElement, type ReactNode } from 'react';
import { createPortal } from 'react-dom';

const Region = createContext<HTMLElement | null>(null);

/** The page's one live region, in which everything that is to be heard stands. */
export function Live({ children }: { readonly children: ReactNode }): ReactElement {
  const [region, setRegion] = useState<HTMLElement | null>(null);
  return (
    <Region value={region}>
      {/* Not atomic: of what stands in it only that is read which changed. */}
      <div ref={setRegion} role="status" aria-atomic="false" className="chatsdk-hidden" />
      {children}
    </Region>
  );
}

/** Has this heard, each time that it changes. It is there, empty, before it has something to say: else the first is missed. */
export function Told({ children }: { readonly children: ReactNode }): ReactElement | null {
  const region = useContext(Region);
  return region && createPortal(<p>{children}</p>, region);
}
