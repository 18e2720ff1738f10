// The page's gallery, in the development build and under a style sheet that knows nothing of it.
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import '@chatsdk/react/style.css';
import { Gallery } from '../../apps/dashboard/src/gallery.tsx';

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <Gallery />
  </StrictMode>,
);
