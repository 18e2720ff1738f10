import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { Gallery } from './gallery.js';
import '../../../packages/react/src/style.css';
import './dashboard.css';

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <main className="gallery">
      <Gallery />
    </main>
    <footer>
      <a href={`./${location.hash}`}>Back to the clients</a>
    </footer>
  </StrictMode>,
);
